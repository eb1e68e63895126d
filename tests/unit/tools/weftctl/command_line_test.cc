// SPDX-License-Identifier: Apache-2.0
// The real program against a real control server: what it prints and its exit codes.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/control/server.h"

namespace weft::ctl {
namespace {

using control::Json;

struct Ran {
    int code = -1;
    std::string output;  // both streams
};

class CommandLine : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_NE(std::getenv("WEFTCTL"), nullptr) << "run by meson, which names the program";
        char name[] = "/tmp/weftctl-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        directory_ = name;
    }
    void TearDown() override {
        server_.reset();
        std::filesystem::remove_all(directory_);
    }
    [[nodiscard]] std::string socket() const { return directory_ + "/c.sock"; }
    void serve() {
        auto server = control::Server::create({.path = socket()}, events_);
        ASSERT_TRUE(server) << server.error().what;
        server_ = std::move(*server);
        server_->add("status", [](const Json&) -> Result<Json> {
            return Json{{"kind", "initiator"}, {"name", "compute-1"}, {"version", "9.9"}, {"uptime_s", 5}};
        });
        server_->add("attach", [](const Json& params) -> Result<Json> {
            if (params.at("name") == "data") return Json{{"device", "/dev/ublkb3"}};
            return fail("there is no volume \"" + params.at("name").get<std::string>() + "\"", ENOENT);
        });
        server_->add("detach", [](const Json& params) -> Result<Json> {
            if (params.at("force") == true) return Json::object();
            return fail("volume data is mounted", EBUSY);
        });
        server_->add("channel_drop", [](const Json& params) -> Result<Json> {
            return params.at("index") == 1 ? Result<Json>(Json::object())
                                           : fail("there is no channel 2", ENOENT);
        });
        server_->start();
    }
    [[nodiscard]] Ran run(const std::string& arguments) const {
        Ran ran;
        const std::string command = std::string(std::getenv("WEFTCTL")) + " " + arguments + " 2>&1";
        FILE* pipe = ::popen(command.c_str(), "r");
        EXPECT_NE(pipe, nullptr);
        std::array<char, 4096> piece{};
        for (std::size_t got = 0; (got = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;)
            ran.output.append(piece.data(), got);
        ran.code = WEXITSTATUS(::pclose(pipe));
        return ran;
    }
    [[nodiscard]] Ran talk(const std::string& arguments) const {
        return run("--socket " + socket() + " " + arguments);
    }
    [[nodiscard]] std::string file(const std::string& text) const {
        const std::string path = directory_ + "/f.yaml";
        std::ofstream(path) << text;
        return path;
    }

    std::string directory_;
    control::EventLog events_;
    std::unique_ptr<control::Server> server_;
};

TEST_F(CommandLine, Status) {
    serve();
    const Ran table = talk("status");
    EXPECT_EQ(table.code, 0);
    EXPECT_NE(table.output.find("weft initiator compute-1 (9.9), up 5.0s"), std::string::npos)
        << table.output;
    const Ran json = talk("status --json");
    EXPECT_EQ(json.code, 0);
    EXPECT_EQ(Json::parse(json.output)["name"], "compute-1");
    EXPECT_NE(talk("version").output.find("initiator compute-1 9.9"), std::string::npos);
}

TEST_F(CommandLine, Operations) {
    serve();
    EXPECT_EQ(talk("attach data").output, "data is attached as /dev/ublkb3\n");
    const Ran refused = talk("attach daat");
    EXPECT_EQ(refused.code, 1);
    EXPECT_EQ(refused.output, "weftctl: there is no volume \"daat\"\n");
    EXPECT_EQ(talk("detach data").code, 1);
    EXPECT_EQ(talk("detach --force data").code, 0);
    EXPECT_EQ(talk("channel drop node-a 1").code, 0);
    EXPECT_EQ(talk("channel drop node-a 2").code, 1);
}

TEST_F(CommandLine, Events) {
    serve();
    events_.add(control::Severity::warning, "volume data", "waits");
    const Ran events = talk("events");
    EXPECT_EQ(events.code, 0);
    EXPECT_NE(events.output.find("warning  volume data: waits\n"), std::string::npos) << events.output;
    EXPECT_EQ(Json::parse(talk("events --json").output)["event"]["text"], "waits");
}

TEST_F(CommandLine, SaysWhenNobodyAnswers) {
    const Ran ran = talk("status");
    EXPECT_EQ(ran.code, 3);
    EXPECT_NE(ran.output.find("no daemon answers"), std::string::npos) << ran.output;
    EXPECT_EQ(talk("attach data").code, 3);
    EXPECT_EQ(talk("events").code, 3);
}

TEST_F(CommandLine, Usage) {
    EXPECT_EQ(run("").code, 2);
    EXPECT_EQ(run("frobnicate").code, 2);
    EXPECT_EQ(run("attach").code, 2);
    EXPECT_EQ(run("check").code, 2);
    EXPECT_EQ(run("channel").code, 2);
    EXPECT_EQ(run("status --interval 0").code, 2);
    const Ran help = run("--help");
    EXPECT_EQ(help.code, 0);
    EXPECT_NE(help.output.find("4 check found errors"), std::string::npos);
}

TEST_F(CommandLine, CheckGood) {
    const std::string path =
        file("initiator: {name: i}\nvolumes: [{name: v, linear: [{file: {path: /nonexistent/weft}}]}]\n");
    const Ran good = run("check " + path);
    EXPECT_EQ(good.code, 0) << good.output;
    EXPECT_NE(good.output.find("good: initiator i with 0 targets and 1 volume"), std::string::npos);
    EXPECT_NE(good.output.find("memory at most: 64 MiB"), std::string::npos);
    const Ran here = run("check --machine " + path);
    EXPECT_EQ(here.code, 4);
    EXPECT_NE(here.output.find(path + ":2: /nonexistent/weft cannot be opened"), std::string::npos)
        << here.output;
}

TEST_F(CommandLine, CheckWrong) {
    const std::string path = file("target: {name: a}\nlisteners: [{address: \"*\"}]\n");
    const Ran wrong = run("check " + path);
    EXPECT_EQ(wrong.code, 4);
    EXPECT_EQ(wrong.output, path + ":1: volumes: is missing; add it\n");
    EXPECT_EQ(run("check " + file("hello")).code, 4);
    EXPECT_EQ(run("check /nonexistent/file").code, 4);
}

}  // namespace
}  // namespace weft::ctl
