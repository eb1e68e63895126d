// SPDX-License-Identifier: Apache-2.0
#include "common/uring/file_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "tests/support/temporary_file.h"

namespace weft::uring {
namespace {

std::string refusal(const FileOptions& options) {
    const auto store = FileStore::open(options);
    EXPECT_FALSE(store);
    return store ? "" : store.error().what;
}

TEST(FileStoreTest, creates_a_sparse_file_of_the_size_asked_for) {
    const test::TemporaryFile neighbour(0);
    const std::string path = neighbour.path() + ".new";
    {
        const auto store = FileStore::open({.path = path, .size = std::uint64_t{1} << 30U});
        ASSERT_TRUE(store) << store.error().what;
        EXPECT_EQ((*store)->geometry().bytes(), std::uint64_t{1} << 30U);
        struct stat status {};
        ASSERT_EQ(::stat(path.c_str(), &status), 0);
        EXPECT_EQ(status.st_size, 1 << 30);
        EXPECT_LT(status.st_blocks, 1024);
        EXPECT_EQ(status.st_mode & 0777U, 0600U);
    }
    EXPECT_TRUE(FileStore::open({.path = path}));
    EXPECT_TRUE(FileStore::open({.path = path, .size = std::uint64_t{1} << 30U}));
    ::unlink(path.c_str());
}

TEST(FileStoreTest, an_empty_file_is_one_not_made_yet) {
    const test::TemporaryFile file(0);
    EXPECT_NE(refusal({.path = file.path()}).find("is empty: give a size"), std::string::npos);
    const auto store = FileStore::open({.path = file.path(), .size = 8192});
    ASSERT_TRUE(store);
    EXPECT_EQ((*store)->geometry().blocks, 2U);
}

TEST(FileStoreTest, says_what_is_wrong_and_what_to_do) {
    const test::TemporaryFile file(8192 + 512);
    const std::string& path = file.path();
    EXPECT_EQ(refusal({.path = path}),
              path +
                  " has 8704 bytes, not a multiple of the block size 4096: resize it, or say another "
                  "block_size");
    EXPECT_EQ(refusal({.path = path, .size = 4096}),
              path +
                  " has 8704 bytes, not the 4096 bytes asked for: correct the size, or leave it out to use "
                  "what is there");
    EXPECT_EQ(refusal({.path = path, .size = 1000}),
              path + ": size 1000 bytes is not a multiple of the block size 4096");
    EXPECT_EQ(refusal({.path = path + ".none"}),
              path + ".none does not exist: give a size to have it created");
    EXPECT_EQ(refusal({.path = path + ".none", .size = 4096, .read_only = true}),
              path + ".none does not exist and is to be read-only");
    EXPECT_EQ(refusal({.path = "/dev"}), "/dev is neither a regular file nor a block device");
    EXPECT_EQ(refusal({.path = "/dev/null"}), "/dev/null is neither a regular file nor a block device");
    EXPECT_EQ(refusal({.path = path + "/x", .size = 4096}), path + "/x: Not a directory");
    EXPECT_NE(::access((path + ".none").c_str(), F_OK), 0);
}

TEST(FileStoreTest, does_not_leave_a_file_it_could_not_make) {
    const test::TemporaryFile neighbour(0);
    const std::string path = neighbour.path() + ".huge";
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    auto* const signal = ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{8192, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
    EXPECT_EQ(refusal({.path = path, .size = 16384}),
              "cannot make " + path + " 16384 bytes long: File too large");
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    ::signal(SIGXFSZ, signal);
    EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST(FileStoreTest, one_writer_or_several_readers) {
    const test::TemporaryFile file(8192);
    {
        const auto writer = FileStore::open({.path = file.path()});
        ASSERT_TRUE(writer);
        EXPECT_EQ(refusal({.path = file.path()}), file.path() + " is in use by another volume or process");
        EXPECT_FALSE(FileStore::open({.path = file.path(), .read_only = true}));
    }
    const auto reader = FileStore::open({.path = file.path(), .read_only = true});
    ASSERT_TRUE(reader);
    EXPECT_TRUE((*reader)->geometry().read_only);
    EXPECT_FALSE((*reader)->geometry().volatile_cache);
    EXPECT_EQ((*reader)->geometry().discard_granularity, 0U);
    EXPECT_TRUE(FileStore::open({.path = file.path(), .read_only = true}));
    EXPECT_FALSE(FileStore::open({.path = file.path()}));
}

TEST(FileStoreTest, without_a_write_cache_none_is_advertised) {
    const test::TemporaryFile file(8192);
    const auto store = FileStore::open({.path = file.path(), .write_cache = false});
    ASSERT_TRUE(store);
    EXPECT_FALSE((*store)->geometry().volatile_cache);
    EXPECT_TRUE((*store)->write_through());
}

TEST(FileStoreTest, looking_for_holes_changes_nothing) {
    const test::TemporaryFile file(8192);
    const std::string text(8192, 'x');
    ASSERT_EQ(::pwrite(file.fd(), text.data(), text.size(), 0), 8192);
    struct stat before {};
    struct stat after {};
    ASSERT_EQ(::fstat(file.fd(), &before), 0);
    ASSERT_TRUE(FileStore::open({.path = file.path()}));
    ASSERT_EQ(::fstat(file.fd(), &after), 0);
    EXPECT_EQ(before.st_size, after.st_size);
    EXPECT_EQ(before.st_blocks, after.st_blocks);
    std::string seen(8192, ' ');
    ASSERT_EQ(::pread(file.fd(), seen.data(), seen.size(), 0), 8192);
    EXPECT_EQ(seen, text);
}

}  // namespace
}  // namespace weft::uring
