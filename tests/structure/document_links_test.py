"""Makes a small tree with one fault after the other: the links must show each, and nothing in the tree without faults."""

import pathlib
import tempfile
import unittest

import document_links

README = """# A thing

See [the API](proto/v1), [elsewhere](https://example.org/x.md) and [below](#how).

```
train:    tokenizer -> trainer
```

The [tokenizer](model/text/tokenizer.cc) feeds the [trainer](model/training/trainer.cc).
"""
SOUND = {
    "README.md": README,
    "proto/v1/a.proto": "",
    "model/text/tokenizer.cc": "",
    "model/training/trainer.cc": "",
    "server/storage/FORMAT.md": "As in [the model's](../../model/FORMAT.md#tensors).\n",
    "model/FORMAT.md": "",
}


class DocumentLinks(unittest.TestCase):
    def expect_faults(self, changes, *wanted):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, text in {**SOUND, **changes}.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            self.assertEqual(document_links.faults(root), list(wanted))

    def test_accept_a_sound_tree(self):
        self.expect_faults({})

    def test_find_a_link_that_leads_nowhere(self):
        self.expect_faults({"server/storage/FORMAT.md": "\n[x](../FORMAT.md)\n"},
                           "server/storage/FORMAT.md:2: there is no ../FORMAT.md")

    def test_find_a_word_of_the_picture_that_is_no_file(self):
        self.expect_faults({"README.md": README.replace("-> trainer", "-> evaluator")},
                           "README.md: the picture names evaluator, which has no link")
        self.expect_faults({"README.md": README.replace("[trainer](model/training/trainer.cc)",
                                                        "[trainer](model/text/tokenizer.cc)")},
                           "README.md: the picture names trainer, but the link leads to model/text/tokenizer.cc")

    def test_find_that_the_picture_is_gone(self):
        self.expect_faults({"README.md": "# A thing\n"}, "README.md: has no picture that begins with train:")


if __name__ == "__main__":
    unittest.main()
