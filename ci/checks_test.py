# SPDX-License-Identifier: Apache-2.0
"""The checks find what they are for: each test builds a small tree with one fault in it."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"
LAYERS = {
    "rooms": [{"room": "common/core", "uses": []},
              {"room": "common/block", "uses": ["common/core"]},
              {"room": "common/verbs", "uses": ["common/core"]},
              {"room": "target", "uses": ["common/core", "common/block"]}],
    "tests": {"tests/sim": {"not": ["common/verbs"]}, "tests/unit": {}},
    "vendors": [{"headers": ["infiniband/*"], "rooms": ["common/verbs"]},
                {"headers": ["gtest/*"], "rooms": ["tests/*"]}],
    "system": ["sys/"],
}
GOOD = {
    "meson.build": "# SPDX-License-Identifier: Apache-2.0\nsubdir('common/core')\nsubdir('common/block')\n"
                   "subdir('common/verbs')\nsubdir('target')\n",
    "common/core/check.h": LICENCE + "#pragma once\n#include <sys/types.h>\n#include <vector>\n",
    "common/block/device.h": LICENCE + '#pragma once\n#include "common/core/check.h"\n',
    "common/verbs/port.h": LICENCE + "#pragma once\n#include <infiniband/verbs.h>\n",
    "target/volume.cc": LICENCE + '#include "common/block/device.h"\n',
    "tests/unit/common/verbs/port_test.cc": LICENCE + '#include "common/verbs/port.h"\n#include <infiniband/verbs.h>\n'
                                                      "#include <gtest/gtest.h>\n",
    **{f"{room}/README.md": "# room\n" for room in ("common/core", "common/block", "common/verbs", "target")},
}


def findings(check, changes, layers=None):
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)
        for name, content in {**GOOD, **changes, "ci/layers.json": json.dumps(layers or LAYERS)}.items():
            if content is None:
                continue
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content, encoding="utf-8")
        done = subprocess.run([sys.executable, HERE / check, root], capture_output=True, text=True, check=False)
        lines = done.stdout.splitlines()
        assert done.stderr == "", done.stderr
        assert (done.returncode == 0) == (len(lines) == 1), done.stdout
        return lines[:-1]


class Layers(unittest.TestCase):
    def one(self, changes, text, layers=None):
        found = findings("check-layers", changes, layers)
        self.assertEqual(len(found), 1, found)
        self.assertIn(text, found[0])

    def test_a_good_tree_has_no_findings(self):
        self.assertEqual(findings("check-layers", {}), [])

    def test_upward_include(self):
        self.one({"common/core/up.h": LICENCE + '#pragma once\n#include "common/block/device.h"\n'},
                 "common/core/up.h: common/core may not use common/block")

    def test_room_that_is_not_listed(self):
        self.one({"target/x.cc": LICENCE + '#include "common/verbs/port.h"\n'}, "target may not use common/verbs")

    def test_vendor_header_outside_its_room(self):
        self.one({"target/x.cc": LICENCE + "#include <infiniband/verbs.h>\n"}, "belongs to common/verbs")
        self.one({"target/x.cc": LICENCE + "#  include<gtest/gtest.h>\n"}, "belongs to tests/*")

    def test_unknown_vendor(self):
        self.one({"target/x.cc": LICENCE + "#include <boost/any.hpp>\n"}, "unknown vendor")

    def test_relative_include(self):
        self.one({"target/x.cc": LICENCE + '#include "volume.h"\n'}, "is not a path from the root")

    def test_own_header_in_angle_brackets(self):
        self.one({"target/x.cc": LICENCE + "#include <common/core/check.h>\n"}, "include it with quotes")

    def test_simulator_without_vendor_rooms(self):
        self.one({"tests/sim/x.cc": LICENCE + '#include "common/verbs/port.h"\n'}, "tests/sim may not use common/verbs")

    def test_file_in_no_room(self):
        self.one({"stray/x.cc": LICENCE}, "lies in no room")

    def test_order(self):
        layers = {**LAYERS, "rooms": list(reversed(LAYERS["rooms"]))}
        self.assertTrue(any("does not stand above" in line for line in findings("check-layers", {}, layers)))
        self.one({"meson.build": "subdir('common/block')\nsubdir('common/core')\nsubdir('common/verbs')\nsubdir('target')\n"},
                 "order of subdir()")


class Style(unittest.TestCase):
    def one(self, changes, text):
        found = findings("check-style", changes)
        self.assertEqual(len(found), 1, found)
        self.assertIn(text, found[0])

    def test_a_good_tree_has_no_findings(self):
        self.assertEqual(findings("check-style", {}), [])

    def test_each_rule(self):
        cc = "target/x.cc"
        self.one({cc: "int x;\n"}, "no SPDX")
        self.one({cc: LICENCE + "// TO" + "DO: later\n"}, "not a mark")
        self.one({cc: LICENCE + "x = /tm" + "p/wt/x;\n"}, "somebody's machine")
        self.one({cc: LICENCE + "  co_" + "await x;\n"}, "no coroutines")
        self.one({cc: LICENCE + "  as" + "sert(x);\n"}, "WEFT_CHECK")
        self.one({cc: LICENCE + '#include "target/volume.cc"\n'}, "link the source")
        self.one({cc: LICENCE + "x" * 111 + "\n"}, "111 columns")
        self.one({cc: LICENCE + "int x; \n"}, "blanks")
        self.one({cc: LICENCE + "\n" * 500}, "501 lines")
        self.one({"target/utils.cc": LICENCE}, "says nothing")
        self.one({"target/BadName.cc": LICENCE}, "snake_case")
        self.one({"target/x.h": LICENCE}, "#pragma once")
        self.one({"target/x.h": LICENCE + "#pragma once\nusing namespace std;\n"}, "open namespaces")
        self.one({"target/README.md": None}, "has no README.md")
        self.one({"target/README.md": "x\n" * 41}, "longer than")
        self.one({"common/x.h": LICENCE + "#pragma once\n"}, "directly in common/")

    def test_words_inside_of_strings_and_names_are_fine(self):
        self.assertEqual(findings("check-style", {"target/x.cc": LICENCE + '  puts("as" "sert(x)"); static_as' 'sert(true);\n'}), [])


class Demo(unittest.TestCase):
    """It says how it ended, in its last line and its status."""

    def ends(self, setup, arguments=()):
        with tempfile.TemporaryDirectory() as directory:
            ci = pathlib.Path(directory) / "ci"
            ci.mkdir()
            (ci / "demo").write_bytes((HERE / "demo").read_bytes())
            (ci / "setup").write_text(f"#!/bin/sh\n{setup}\n")
            for name in ("demo", "setup"):
                (ci / name).chmod(0o755)
            done = subprocess.run([ci / "demo", *arguments], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines()[-1]

    def test_wrong_use(self):
        self.assertEqual(self.ends("true", ["now"]), (2, "demo: failed: it takes no arguments"))

    def test_a_set_up_that_fails(self):
        self.assertEqual(self.ends("exit 3"), (1, "demo: failed: ci/setup did not succeed; see above"))

    def test_a_build_that_fails(self):  # there is no meson.build
        self.assertEqual(self.ends("true"), (1, "demo: failed: meson setup"))


if __name__ == "__main__":
    unittest.main(verbosity=1)
