// SPDX-License-Identifier: Apache-2.0
#include "initiator/ublk/record.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <map>
#include <thread>
#include <utility>

namespace weft::ublk {

namespace {

constexpr std::string_view kFirstLine = "weft-ublk 1";
constexpr std::size_t kTextMax = 4096;

template <class T>
bool read_number(std::string_view text, T& value) {
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc() && end == text.data() + text.size();
}

bool read_flag(std::string_view text, bool& value) {
    value = text == "1";
    return value || text == "0";
}

bool read_uuid(std::string_view text, Uuid& value) {
    const auto parsed = Uuid::parse(text);
    if (parsed) value = *parsed;
    return parsed.has_value();
}

// Sets the field that the key names; false: no such key or no such value.
bool set_field(Record& record, std::string_view key, std::string_view value) {
    if (key == "name") return !(record.name = value).empty();
    if (key == "uuid") return read_uuid(value, record.uuid);
    if (key == "boot") return !(record.boot = value).empty();
    if (key == "number") return read_number(value, record.number);
    if (key == "queue_depth") return read_number(value, record.queue_depth);
    if (key == "io_bytes_max") return read_number(value, record.io_bytes_max);
    if (key == "block_size") return read_number(value, record.block_size);
    if (key == "blocks") return read_number(value, record.blocks);
    if (key == "flags") return read_number(value, record.flags);
    if (key == "going") return read_flag(value, record.going);
    return false;
}
constexpr std::size_t kFields = 10;

Result<std::optional<std::string>> read_file(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd && errno == ENOENT) return std::optional<std::string>();
    if (!fd) return fail_errno("cannot read " + path, errno);
    std::string text(kTextMax, '\0');
    std::size_t length = 0;
    while (length < text.size()) {
        const ssize_t got = ::read(fd.get(), text.data() + length, text.size() - length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno("cannot read " + path, errno);
        if (got == 0) break;
        length += static_cast<std::size_t>(got);
    }
    text.resize(length);
    return std::optional<std::string>(std::move(text));
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t put = ::write(fd, text.data(), text.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(put));
    }
    return true;
}

Result<void> sync_directory(const std::string& directory) {
    UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) return fail_errno("cannot sync the directory " + directory, errno);
    return {};
}

Result<void> remove_file(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("cannot remove " + path, errno);
    return {};
}

bool is_file_at(int fd, const std::string& path) {
    struct stat open = {};
    struct stat named = {};
    return ::fstat(fd, &open) == 0 && ::stat(path.c_str(), &named) == 0 && open.st_dev == named.st_dev &&
           open.st_ino == named.st_ino;
}

std::string mark_text(std::uint32_t number, const std::string& boot) {
    return "number=" + std::to_string(number) + "\nboot=" + boot + "\n";
}

}  // namespace

std::string Record::to_text() const {
    std::string text(kFirstLine);
    const auto line = [&text](std::string_view key, const std::string& value) {
        text.append("\n").append(key).append("=").append(value);
    };
    line("name", name);
    line("uuid", uuid.to_string());
    line("boot", boot);
    line("number", std::to_string(number));
    line("queue_depth", std::to_string(queue_depth));
    line("io_bytes_max", std::to_string(io_bytes_max));
    line("block_size", std::to_string(block_size));
    line("blocks", std::to_string(blocks));
    line("flags", std::to_string(flags));
    line("going", going ? "1" : "0");
    return text + "\n";
}

Result<Record> Record::parse(std::string_view text) {
    Record record;
    std::map<std::string_view, int> seen;
    int number = 0;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        if (end == std::string_view::npos) return fail("the last line is not ended: the file is cut short");
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end + 1);
        if (++number == 1) {
            if (line != kFirstLine) return fail("line 1: not '" + std::string(kFirstLine) + "'");
            continue;
        }
        const std::size_t equals = line.find('=');
        const std::string_view key = line.substr(0, equals);
        const bool good = equals != std::string_view::npos && set_field(record, key, line.substr(equals + 1));
        if (!good || ++seen[key] > 1)
            return fail("line " + std::to_string(number) + ": unexpected '" + std::string(line) + "'");
    }
    if (seen.size() != kFields) return fail("some of its lines are missing");
    return record;
}

RecordFile::RecordFile(std::string directory, const std::string& name)
    : directory_(std::move(directory)), path_(directory_ + "/" + name + ".ublk") {}

Result<UniqueFd> RecordFile::lock(Duration limit) const {
    std::error_code code;
    std::filesystem::create_directories(directory_, code);
    if (code) return fail_errno("cannot make the directory " + directory_, code.value());
    const std::string path = path_ + ".lock";
    const auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
        UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (!fd) return fail_errno("cannot open " + path, errno);
        if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
            if (is_file_at(fd.get(), path)) return fd;
            continue;  // its owner removed it meanwhile
        }
        if (std::chrono::steady_clock::now() >= end)
            return fail("another process serves this volume (it holds " + path + ")", EBUSY);
        std::this_thread::sleep_for(5ms);
    }
}

Result<std::optional<Record>> RecordFile::load() const {
    auto text = read_file(path_);
    if (!text) return Failure(std::move(text).error());
    if (!*text) return std::optional<Record>();
    auto record = Record::parse(**text);
    if (!record) return fail(path_ + ": " + record.error().what);
    return std::optional<Record>(std::move(*record));
}

Result<void> RecordFile::save(const Record& record) const { return write(path_, record.to_text()); }

Result<void> RecordFile::mark_recovery(std::uint32_t number, const std::string& boot) const {
    return write(path_ + ".recovering", mark_text(number, boot));
}

Result<void> RecordFile::clear_recovery() const {
    if (auto removed = remove_file(path_ + ".recovering"); !removed) return removed;
    return sync_directory(directory_);
}

bool RecordFile::recovery_marked(std::uint32_t number, const std::string& boot) const {
    const auto text = read_file(path_ + ".recovering");
    // One that cannot be read counts: the mark exists to keep us from a dangerous step.
    return !text || (*text && **text == mark_text(number, boot));
}

Result<void> RecordFile::remove() const {
    if (auto removed = remove_file(path_ + ".recovering"); !removed) return removed;
    if (auto removed = remove_file(path_); !removed) return removed;
    if (auto removed = remove_file(path_ + ".lock"); !removed) return removed;
    return sync_directory(directory_);
}

std::vector<std::string> recorded(const std::string& directory) {
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(directory, none)) {
        if (entry.path().extension() == ".ublk") names.push_back(entry.path().stem().string());
    }
    return names;
}

Result<void> RecordFile::write(const std::string& path, const std::string& text) const {
    const std::string fresh = path + ".new";
    {
        UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        if (!fd) return fail_errno("cannot write " + fresh, errno);
        if (!write_all(fd.get(), text) || ::fsync(fd.get()) != 0)
            return fail_errno("cannot write " + fresh, errno);
    }
    if (::rename(fresh.c_str(), path.c_str()) != 0) return fail_errno("cannot rename " + fresh, errno);
    return sync_directory(directory_);
}

}  // namespace weft::ublk
