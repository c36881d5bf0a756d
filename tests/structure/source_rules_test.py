"""Makes a small tree with one fault after the other: the rules must find each, and nothing in the tree without faults."""

import pathlib
import tempfile
import unittest

import source_rules

SOUND = {
    "server/CMakeLists.txt": "foreach(folder status storage rpc)\n",
    "tests/structure/untested.txt": "# Why.\nserver/main.cc: the end-to-end tests run it\n",
    "model/check.h": "",
    "model/sampling/philox.h": "#include <cstdint>\n",
    "model/text/vocabulary.cc": '#include "model/text/vocabulary.h"\n#include "model/sampling/philox.h"\n',
    "model/text/vocabulary.h": '#include "model/check.h"\n#include "absl/status/status.h"\n',
    "model/backend/backend.h": '#include "model/sampling/philox.h"\n',
    "model/backend/backend_list.cc": '#include "model/backend/reference/stack.h"\n',
    "model/backend/reference/stack.h": '#include "model/backend/backend.h"\n#include <Eigen/Dense>\n',
    "model/network/parameters.h": '#include "model/backend/backend.h"\n',
    "model/training/trainer.h": '#include "model/network/parameters.h"\n',
    "model/checkpoint/file.h": '#include "model/network/parameters.h"\n',
    "server/main.cc": '#include "server/rpc/service.h"\n#include <grpcpp/grpcpp.h>\n',
    "server/status/error.h": '#include "model/check.h"\n',
    "server/storage/table.h": '#include "server/status/error.h"\n#include <sqlite3.h>\n',
    "server/rpc/service.h": '#include "server/storage/table.h"\n#include "model/training/trainer.h"\n',
    "client/derin/client/client.h": "#include <string>\n",
    "client/derin/internal/connection.h": '#include "derin/v1/model.grpc.pb.h"\n#include "derin/client/client.h"\n',
    "client/cli/train.h": '#include "derin/client/client.h"\n#include "proto/command_line/nearest_name.h"\n',
    "proto/command_line/nearest_name.h": "#include <string>\n",
    "server/options.h": '#include "proto/command_line/nearest_name.h"\n',
    "tests/model/text/vocabulary_test.cc": "",
    "tests/model/backend/backend_list_test.cc": "",
    "tests/server/rpc/service_test.cc": "",
}


class SourceRules(unittest.TestCase):
    def faults_with(self, changes):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, text in {**SOUND, **changes}.items():
                if text is None:
                    continue
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            return source_rules.faults(root)

    def expect_one_fault(self, changes, *words):
        found = self.faults_with(changes)
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])

    def test_accept_a_sound_tree(self):
        self.assertEqual(self.faults_with({}), [])

    def test_find_an_include_that_goes_up(self):
        for path, included in [
            ("model/sampling/philox.h", "model/text/vocabulary.h"),
            ("model/text/vocabulary.h", "proto/command_line/nearest_name.h"),
            ("server/storage/table.h", "proto/command_line/nearest_name.h"),
            ("proto/command_line/nearest_name.h", "client/derin/client/client.h"),
            ("model/text/vocabulary.h", "model/backend/backend.h"),
            ("model/backend/backend.h", "model/network/parameters.h"),
            ("model/network/parameters.h", "model/training/trainer.h"),
            ("model/training/trainer.h", "model/checkpoint/file.h"),
            ("model/text/vocabulary.h", "server/status/error.h"),
            ("server/status/error.h", "server/storage/table.h"),
            ("server/storage/table.h", "server/rpc/service.h"),
            ("server/rpc/service.h", "derin/client/client.h"),
            ("client/derin/client/client.h", "model/check.h"),
            ("client/derin/client/client.h", "model/text/vocabulary.h"),
            ("client/derin/client/client.h", "server/status/error.h"),
            ("client/derin/client/client.h", "client/cli/train.h"),
        ]:
            with self.subTest(path=path, included=included):
                self.expect_one_fault({path: f'// Why.\n#include "{included}"\n'}, f"{path}:2:", included)

    def test_find_what_the_model_must_not_know(self):
        for header, name in [
            ("grpcpp/grpcpp.h", "gRPC"),
            ("derin/v1/model.grpc.pb.h", "gRPC"),
            ("derin/v1/model.pb.h", "protobuf"),
            ("google/protobuf/message.h", "protobuf"),
            ("prometheus/registry.h", "Prometheus"),
            ("CivetServer.h", "Prometheus"),
            ("sqlite3.h", "SQL"),
        ]:
            with self.subTest(header=header):
                self.expect_one_fault({"model/training/trainer.h": f"#  include <{header}>\n"}, header, name)

    def test_find_what_users_of_the_library_must_not_know(self):
        for path in ["client/derin/client/client.h", "client/cli/train.h"]:
            for header in ["grpcpp/grpcpp.h", "derin/v1/model.pb.h", "derin/internal/connection.h"]:
                with self.subTest(path=path, header=header):
                    self.expect_one_fault({path: f'#include "{header}"\n'}, path, "must not know")

    def test_find_a_backend_named_above_the_seam(self):
        for path in ["model/backend/backend.h", "model/network/parameters.h", "server/rpc/service.h"]:
            with self.subTest(path=path):
                self.expect_one_fault({path: '#include "model/backend/reference/stack.h"\n'}, path, "particular backend")

    def test_find_a_file_named_from_beside_it(self):
        for included in ["philox.h", "../sampling/philox.h", "./philox.h"]:
            with self.subTest(included=included):
                self.expect_one_fault({"model/sampling/philox.h": f'#include "{included}"\n'}, "path from the top")

    def test_find_a_folder_without_a_place(self):
        self.expect_one_fault({"model/audio/wave.h": ""}, "model/audio/wave.h", "no list")
        self.expect_one_fault({"server/web/page.h": ""}, "server/web/page.h", "no list")

    def test_find_a_source_without_its_test(self):
        self.expect_one_fault({"tests/model/text/vocabulary_test.cc": None}, "model/text/vocabulary.cc", "no reason")

    def test_find_an_excuse_that_is_stale_or_empty(self):
        listing = "tests/structure/untested.txt"
        main = "server/main.cc: the end-to-end tests run it\n"
        self.expect_one_fault({listing: main + "model/gone.cc: never\n"}, f"{listing}:2", "drop the line")
        self.expect_one_fault({listing: main + "model/text/vocabulary.cc: why\n"}, f"{listing}:2", "drop the line")
        self.expect_one_fault({listing: "server/main.cc:\n"}, f"{listing}:1", "want")

    def test_find_a_test_that_shares_its_files(self):
        path = "tests/model/text/vocabulary_test.cc"
        self.expect_one_fault({path: 'std::string path = ::testing::TempDir() + "/fixed";\n'}, path, "TemporaryFolder")


if __name__ == "__main__":
    unittest.main()
