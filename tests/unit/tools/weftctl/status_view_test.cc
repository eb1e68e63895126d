// SPDX-License-Identifier: Apache-2.0
#include "tools/weftctl/status_view.h"

#include <gtest/gtest.h>

#include <string>

namespace weft::ctl {
namespace {

using control::Json;

const char* const kInitiator = R"({
 "kind":"initiator","name":"compute-1","version":"0.1.0","uptime_s":3725,
 "kernel_promise":"recovery survives a kill\n- and more",
 "memory":{"budget_bytes":1073741824,"used_bytes":536870912},
 "volumes":[{"name":"data","uuid":"u",
   "device":"/dev/ublkb0","size_bytes":2147483648,"block_size":4096,
   "state":"waiting","in_flight":7,"reads":100,"writes":200,"read_bytes":409600,"write_bytes":819200,
   "errors":0,
   "legs":[{"kind":"remote","target":"node-a","unit":"data","state":"ready","size_bytes":1073741824},
           {"kind":"file","unit":"/srv/x","state":"ready","size_bytes":1073741824}],
   "waits":[{"reason":"no path to node-a","age_ms":1200,"count":7,
     "limit_ms":30000,"then":"fail"}]}],
 "sessions":[{"target":"node-a","state":"lost","channels":[{"index":0,
   "path":"192.0.2.9 -> 192.0.2.1","state":"lost",
   "age_ms":1300,"in_flight":0,"credits":0,"commands":300,"bytes":1228800,
   "retries":3,"reconnects":2}],"waits":[]}],
 "reactors":[{"name":"r0","turns":10,"sleeps":5,"busy_ns":1000000}]})";

TEST(StatusView, ShowsAnInitiator) {
    EXPECT_EQ(status_text(Json::parse(kInitiator), nullptr, 0),
              R"(weft initiator compute-1 (0.1.0), up 1h02m
memory: 512 MiB used of 1 GiB at most
kernel: recovery survives a kill
        - and more

volumes
  VOLUME  DEVICE        SIZE  STATE    IN FLIGHT  READ/S  WRITE/S  READ MB/S  WRITE MB/S  ERRORS
  data    /dev/ublkb0  2 GiB  waiting          7       -        -          -           -       0

legs
  VOLUME  LEG  KIND    TARGET  UNIT     SIZE  STATE
  data      0  remote  node-a  data    1 GiB  ready
  data      1  file    -       /srv/x  1 GiB  ready

sessions
  TARGET  STATE  CHANNELS  IN FLIGHT
  node-a  lost          1          0

channels
  TARGET  INDEX  PATH                    STATE   AGE  IN FLIGHT  CREDITS  CMD/S  MB/S  RETRIES  RECONNECTS
  node-a      0  192.0.2.9 -> 192.0.2.1  lost   1.3s          0        0      -     -        3           2

waits
  WHO          WAITS FOR           AGE  COUNT  ENDS
  volume data  no path to node-a  1.2s      7  at 30.0s: fail

reactors
  REACTOR  TURNS/S  SLEEPS/S  BUSY
  r0             -         -     -
)");
}

TEST(StatusView, ComputesRatesFromTwoDocuments) {
    const Json earlier = Json::parse(kInitiator);
    Json now = earlier;
    now["volumes"][0]["reads"] = 1100;
    now["volumes"][0]["read_bytes"] = 409600 + 4'096'000;
    now["sessions"][0]["channels"][0]["commands"] = 1300;
    now["reactors"][0]["busy_ns"] = 1'000'000 + 500'000'000;
    const std::string text = status_text(now, earlier, 2.0);
    EXPECT_NE(text.find("     500        0        2.0           0       0\n"), std::string::npos) << text;
    EXPECT_NE(text.find("25 %"), std::string::npos) << text;
    // A counter that went back belongs to a restarted daemon: no rate.
    now["volumes"][0]["reads"] = 1;
    EXPECT_EQ(status_text(now, earlier, 2.0).find("NaN"), std::string::npos);
}

TEST(StatusView, ShowsATarget) {
    const std::string text =
        status_text(Json::parse(R"({"kind":"target","name":"node-a","version":"0.1.0","uptime_s":1,
      "listeners":[{"address":"*","port":5555,"state":"listening"}],
      "volumes":[{"name":"data","lun":0,"backend":"memory","size_bytes":1048576,
        "block_size":512,"read_only":false,"state":"ready","in_flight":0}],
      "nexuses":[{"initiator":null,"port_id":"00112233445566778899aabbccddeeff","state":"ready","in_flight":3,
        "reactor":"reactor1","channels":[{"index":1}],
        "waits":[{"reason":"backend","age_ms":5,"count":3}]}]})"),
                    nullptr, 0);
    EXPECT_NE(text.find("  data      0  memory   1 MiB    512  no         ready"), std::string::npos) << text;
    EXPECT_NE(text.find("  00112233445566778899aabbccddeeff  ready         1          3  reactor1\n"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("nexus 00112233445566778899aabbccddeeff  backend"), std::string::npos) << text;
}

TEST(StatusView, ShowsWaitsOfChannelsAndProblems) {
    const std::string text = status_text(Json::parse(R"({"kind":"initiator",
      "volumes":[{"name":"data",
        "legs":[{"problem":"over","state":"ready"},{"problem":"smaller than it was"}]}],
      "sessions":[{"target":"node-a","channels":[{"index":2,"problem":"refused",
        "waits":[{"reason":"credit","age_ms":9}]}]}]})"),
                                         nullptr, 0);
    EXPECT_NE(text.find("channel node-a/2  credit     9ms      -  -\n"), std::string::npos) << text;
    EXPECT_NE(text.find("  leg data/1        smaller than it was\n  channel node-a/2  refused\n"),
              std::string::npos)
        << text;
    EXPECT_EQ(text.find("leg data/0"), std::string::npos);
}

TEST(StatusView, ShowsWhateverItIsGiven) {
    for (const char* odd :
         {"null", "[]", "7", "{}", R"({"volumes":7,"sessions":[7,null,{}],"memory":[]})",
          R"({"kind":"target","volumes":[{"name":{},"size_bytes":-1,"legs":{}}],"nexuses":[[]]})",
          R"({"volumes":[{"name":"\u001b[2J","waits":[{"age_ms":"old"}]}],"uptime_s":1e9})"}) {
        const Json status = Json::parse(odd);
        const std::string text = status_text(status, status, 1.0);
        EXPECT_EQ(text.find('\033'), std::string::npos);
        EXPECT_NE(text.find("volumes"), std::string::npos);
    }
}

}  // namespace
}  // namespace weft::ctl
