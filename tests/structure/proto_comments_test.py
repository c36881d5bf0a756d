"""Takes one comment after the other from a small file: the check must miss each, and nothing in the file with all of them."""

import unittest

import proto_comments

SOUND = """syntax = "proto3";

package derin.v1;

import "google/protobuf/empty.proto";

// Texts.
service TextService {
  // Gives one.
  rpc GetText(GetTextRequest) returns (Text);
  // Gives all,
  // as a stream.
  rpc WatchTexts(google.protobuf.Empty)
      returns (stream Text);
}

// One text.
message Text {
  // What became of it.
  enum State {
    // Not known.
    STATE_UNSPECIFIED = 0;
    // Read.
    STATE_READ = 1;
  }
  reserved 7;
  // Its name.
  string name = 1;
  // Its parts.
  repeated google.protobuf.Timestamp times = 2;
  // By word.
  map<string, int64> counts = 3 [deprecated = true];
  oneof source {
    // A file.
    string file = 4;
    // Or bytes.
    optional bytes data = 5;
  }
}

// Nothing to say.
message Empty {}

// Which one.
message GetTextRequest {
  // Its name.
  string name = 1;
}
"""


def faults(text):
    return list(proto_comments.file_faults("a.proto", text))


class ProtoComments(unittest.TestCase):
    def test_accept_a_file_with_all_its_comments(self):
        self.assertEqual(faults(SOUND), [])

    def test_miss_each_comment(self):
        lines = SOUND.splitlines()
        missed = []
        for i, line in enumerate(lines):
            if not line.strip().startswith("//") or lines[i + 1].strip().startswith("//"):
                continue
            without = faults("\n".join(lines[:i] + [""] + lines[i + 1:]))
            self.assertEqual(len(without), 1, without)
            missed.append(without[0].split(": ")[1].removesuffix(" has no comment above it"))
        self.assertEqual(missed, [
            "service TextService", "rpc TextService.GetText", "rpc TextService.WatchTexts", "message Text",
            "enum Text.State", "value Text.State.STATE_UNSPECIFIED", "value Text.State.STATE_READ", "field Text.name",
            "field Text.times", "field Text.counts", "field Text.file", "field Text.data", "message Empty",
            "message GetTextRequest", "field GetTextRequest.name"])

    def test_want_a_comment_for_each_of_two_fields(self):
        self.assertEqual(faults("// A pair.\nmessage Pair {\n  // Both.\n  int32 a = 1;\n  int32 b = 2;\n}\n"),
                         ["a.proto:5: field Pair.b has no comment above it"])

    def test_want_words_in_a_comment(self):
        self.assertEqual(faults("//\nmessage Empty {}\n"), ["a.proto:2: message Empty has no comment above it"])

    def test_say_what_cannot_be_read(self):
        found = faults("// A group.\ngroup Old = 1 {\n")
        self.assertEqual(len(found), 1)
        self.assertIn("a.proto:2: is no declaration", found[0])


if __name__ == "__main__":
    unittest.main()
