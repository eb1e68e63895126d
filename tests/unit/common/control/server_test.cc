// SPDX-License-Identifier: Apache-2.0
// The real server over a real socket. Limits here only end a broken test; no assertion depends on time.
#include "common/control/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <future>
#include <string>

#include "common/control/client.h"

namespace weft::control {
namespace {

using namespace std::chrono_literals;
constexpr auto kPatience = 20s;

class ServerTest : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/weft-control-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        directory_ = name;
        path_ = directory_ + "/run/c.sock";
    }
    void TearDown() override {
        server_.reset();
        std::filesystem::remove_all(directory_);
    }
    void make(Server::Options options = {}) {
        options.path = path_;
        auto server = Server::create(std::move(options), events_);
        ASSERT_TRUE(server) << server.error().what;
        server_ = std::move(*server);
        server_->add("echo", [](const Json& params) -> Result<Json> { return params; });
        server_->add(
            "sum", [](const Json& p) -> Result<Json> { return p.at("a").get<int>() + p.at("b").get<int>(); });
        server_->add("refuse",
                     [](const Json&) -> Result<Json> { return fail("volume data is mounted", EBUSY); });
        server_->add("wait", [this](const Json&) -> Result<Json> {
            begun_.set_value();
            go_on_.get_future().wait();
            return Json("done");
        });
        server_->add(
            "now", [](const Json&) -> Result<Json> { return Json("prompt"); }, Promptness::prompt);
    }
    void start() {
        make();
        server_->start();
    }
    [[nodiscard]] Client client() const {
        auto made = Client::connect(path_);
        EXPECT_TRUE(made) << made.error().what;
        return std::move(made.value());
    }
    // Sends bytes as they are and returns all that comes back until the server closes.
    [[nodiscard]] std::string raw(const std::string& bytes) const {
        Client raw_client = client();
        EXPECT_EQ(::send(raw_client.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
        ::shutdown(raw_client.fd(), SHUT_WR);
        std::string all;
        char piece[4096];
        for (ssize_t got = 0; (got = ::recv(raw_client.fd(), piece, sizeof piece, 0)) > 0;)
            all.append(piece, static_cast<std::size_t>(got));
        return all;
    }

    std::string directory_;
    std::string path_;
    EventLog events_{16};
    std::promise<void> begun_;
    std::promise<void> go_on_;
    std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersMethodsInOrder) {
    start();
    Client c = client();
    EXPECT_EQ(c.call("echo", {{"a", 1}}, kPatience)->result, Json({{"a", 1}}));
    EXPECT_EQ(c.call("sum", {{"a", 1}, {"b", 2}}, kPatience)->result, 3);
    EXPECT_EQ(raw("{\"id\":1,\"method\":\"sum\",\"params\":{\"a\":1,\"b\":1}}\n\n{\"id\":2,\"method\":"
                  "\"now\"}\r\n{\"id\":3,"
                  "\"method\":\"ping\"}"),
              "{\"id\":1,\"result\":2}\n{\"id\":2,\"result\":\"prompt\"}\n{\"id\":3,\"result\":{}}\n");
}

TEST_F(ServerTest, RefusesWithACodeAndASentence) {
    start();
    Client c = client();
    EXPECT_EQ(c.call("refuse", Json::object(), kPatience)->refusal->code, "busy");
    EXPECT_EQ(c.call("refuse", Json::object(), kPatience)->refusal->message, "volume data is mounted");
    EXPECT_EQ(c.call("nothing", Json::object(), kPatience)->refusal->code, "unknown_method");
    EXPECT_EQ(c.call("sum", {{"a", "x"}}, kPatience)->refusal->code, "bad_request");
    EXPECT_EQ(c.call("events", {{"follow", 7}}, kPatience)->refusal->code, "bad_request");
    EXPECT_EQ(c.call("ping", Json::object(), kPatience)->result, Json::object());
}

TEST_F(ServerTest, SurvivesGarbage) {
    start();
    EXPECT_NE(raw("\xFF\xFE garbage\n").find("bad_request"), std::string::npos);
    EXPECT_NE(raw(std::string(kLineBytesMax + 100, 'x')).find("too_large"), std::string::npos);
    EXPECT_EQ(raw(""), "");
    EXPECT_NE(raw(std::string("\0\0\0\n", 4)).find("bad_request"), std::string::npos);
    EXPECT_TRUE(client().call("ping", Json::object(), kPatience));
}

TEST_F(ServerTest, StaysPromptWhileTheControlThreadBlocks) {
    start();
    Client slow = client();
    auto waiting =
        std::async(std::launch::async, [&] { return slow.call("wait", Json::object(), kPatience); });
    begun_.get_future().wait();
    Client quick = client();
    EXPECT_EQ(quick.call("now", Json::object(), kPatience)->result, "prompt");
    EXPECT_EQ(quick.call("ping", Json::object(), kPatience)->result, Json::object());
    go_on_.set_value();
    EXPECT_EQ(waiting.get()->result, "done");
}

TEST_F(ServerTest, RefusesWhatWaitsWhenItStops) {
    start();
    Client first = client();
    auto running =
        std::async(std::launch::async, [&] { return first.call("wait", Json::object(), kPatience); });
    begun_.get_future().wait();
    Client second = client();
    auto queued =
        std::async(std::launch::async, [&] { return second.call("echo", Json::object(), kPatience); });
    Client third = client();
    // One thread serves the sockets in the order of their readiness at the latest by the second answer here.
    ASSERT_TRUE(third.call("now", Json::object(), kPatience));
    auto stopping = std::async(std::launch::async, [&] { server_->stop(); });
    go_on_.set_value();
    EXPECT_EQ(running.get()->result, "done");
    const auto refused = queued.get();
    if (refused && refused->refusal) {
        EXPECT_EQ(refused->refusal->code, "stopping");
    }
    stopping.wait();
    EXPECT_FALSE(first.call("ping", Json::object(), kPatience));
}

TEST_F(ServerTest, DropsAClientThatLeavesDuringItsRequest) {
    start();
    {
        Client leaver = client();
        const std::string request = "{\"method\":\"wait\"}\n";
        ASSERT_GT(::send(leaver.fd(), request.data(), request.size(), MSG_NOSIGNAL), 0);
        begun_.get_future().wait();
    }
    go_on_.set_value();
    EXPECT_EQ(client().call("echo", {{"still", "here"}}, kPatience)->result["still"], "here");
}

TEST_F(ServerTest, PushesEventsToFollowers) {
    start();
    events_.add(Severity::info, "volume a", "before");
    Client c = client();
    const auto reply = c.call("events", {{"follow", true}}, kPatience);
    ASSERT_TRUE(reply && !reply->refusal);
    EXPECT_EQ(reply->result["events"][0]["text"], "before");
    events_.add(Severity::warning, "volume a", "after");
    EXPECT_EQ((*c.next(kPatience))["event"]["text"], "after");
    EXPECT_EQ(c.call("echo", {{"x", 1}}, kPatience)->result["x"], 1);
}

TEST_F(ServerTest, TellsASlowFollowerHowMuchItMissed) {
    start();
    Client c = client();
    ASSERT_TRUE(c.call("events", {{"follow", true}}, kPatience));
    constexpr std::uint64_t kEvents = 3000;  // of 1 KiB each: more than socket and outbox hold
    for (std::uint64_t i = 0; i < kEvents; ++i) events_.add(Severity::info, "o", std::string(1000, 'x'));
    std::uint64_t seen = 0;
    std::uint64_t dropped = 0;
    std::uint64_t last = 0;
    while (seen + dropped < kEvents) {
        const auto message = c.next(kPatience);
        ASSERT_TRUE(message) << message.error().what << seen << ' ' << dropped;
        if (message->contains("dropped")) {
            dropped += (*message)["dropped"].get<std::uint64_t>();
            continue;
        }
        const auto sequence = (*message)["event"]["sequence"].get<std::uint64_t>();
        EXPECT_GT(sequence, last);
        last = sequence;
        ++seen;
    }
    EXPECT_EQ(seen + dropped, kEvents);
    EXPECT_EQ(last, kEvents);
    EXPECT_GT(dropped, 0U);
}

TEST_F(ServerTest, BoundsItsClients) {
    make({.clients_max = 2});
    server_->start();
    Client a = client();
    Client b = client();
    ASSERT_TRUE(a.call("ping", Json::object(), kPatience));
    ASSERT_TRUE(b.call("ping", Json::object(), kPatience));
    Client c = client();
    const auto refused = c.next(kPatience);
    ASSERT_TRUE(refused);
    EXPECT_EQ((*refused)["error"]["code"], "busy");
    EXPECT_FALSE(c.next(kPatience));
    EXPECT_TRUE(a.call("ping", Json::object(), kPatience));
}

TEST_F(ServerTest, RefusesAnAnswerThatIsTooLarge) {
    make({.outbox_bytes_max = 1000});
    server_->start();
    Client c = client();
    EXPECT_EQ(c.call("echo", {{"a", std::string(2000, 'a')}}, kPatience)->refusal->code, "too_large");
}

TEST_F(ServerTest, DropsAClientThatTakesNoAnswer) {
    make({.clients_max = 1, .outbox_bytes_max = 64U << 20U, .stall_limit = 0ms});
    server_->add("huge", [](const Json&) -> Result<Json> { return Json(std::string(8U << 20U, 'x')); });
    server_->start();
    Client c = client();
    const std::string request = "{\"method\":\"huge\"}\n";
    ASSERT_GT(::send(c.fd(), request.data(), request.size(), MSG_NOSIGNAL), 0);
    // The one place is free again as soon as the server has given up on the first client.
    for (bool dropped = false; !dropped;) {
        const auto reply = client().call("ping", Json::object(), kPatience);
        dropped = reply && !reply->refusal;
    }
    std::size_t total = 0;
    char piece[65536];
    for (ssize_t got = 0; (got = ::recv(c.fd(), piece, sizeof piece, 0)) > 0;)
        total += static_cast<std::size_t>(got);
    EXPECT_GT(total, 0U);
    EXPECT_LT(total, 8U << 20U);
}

TEST_F(ServerTest, OneDaemonPerSocket) {
    start();
    const auto second = Server::create({.path = path_}, events_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, EADDRINUSE);
    EXPECT_NE(second.error().what.find("already running"), std::string::npos);
    struct stat status {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    server_.reset();
    EXPECT_NE(::stat(path_.c_str(), &status), 0);
    EXPECT_TRUE(Server::create({.path = path_}, events_));
}

TEST_F(ServerTest, ReplacesTheSocketOfADeadDaemon) {
    std::filesystem::create_directory(directory_ + "/run");
    {
        const UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path_.data(), path_.size());
        ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    const auto gone = Client::connect(path_);
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, ECONNREFUSED);
    start();
    EXPECT_TRUE(client().call("ping", Json::object(), kPatience));
}

TEST_F(ServerTest, LeavesAloneWhatIsNoSocket) {
    std::filesystem::create_directory(directory_ + "/run");
    { const UniqueFd file(::open(path_.c_str(), O_CREAT | O_WRONLY, 0600)); }
    const auto refused = Server::create({.path = path_}, events_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EEXIST);
    EXPECT_FALSE(Server::create({.path = "relative.sock"}, events_));
    EXPECT_FALSE(Server::create({.path = "/" + std::string(200, 'a')}, events_));
}

TEST_F(ServerTest, RunsPostedCallsOnTheControlThread) {
    start();
    std::promise<bool> there;
    server_->post([&] { there.set_value(server_->on_control_thread()); });
    EXPECT_TRUE(there.get_future().get());
    EXPECT_FALSE(server_->on_control_thread());
}

}  // namespace
}  // namespace weft::control
