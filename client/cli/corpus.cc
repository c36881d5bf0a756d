#include <algorithm>
#include <filesystem>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/enum_names.h"
#include "client/cli/field_flag.h"
#include "client/cli/formatting.h"
#include "client/cli/json_output.h"
#include "client/cli/missing_name.h"
#include "client/cli/options.h"
#include "client/cli/resource_name.h"
#include "client/cli/table.h"
#include "client/cli/upload_line.h"

namespace derin::cli {
namespace {

constexpr char kCollection[] = "corpora";

// "' ' 18.2 %, 'e' 9.4 %": the first ten.
std::string MostFrequent(const client::Corpus& corpus) {
  constexpr size_t kShown = 10;
  std::vector<std::string> shown;
  for (const client::CharacterCount& one : corpus.most_frequent) {
    if (shown.size() == kShown) break;
    const double share =
        static_cast<double>(one.count) / static_cast<double>(corpus.character_count);
    shown.push_back(absl::StrFormat("'%s' %.1f %%", OneLine(one.character), 100 * share));
  }
  return absl::StrJoin(shown, ", ");
}

void Print(const client::Corpus& corpus, Console& console) {
  PrintFields({{"name", corpus.name},
               {"created", LocalTime(corpus.create_time, console.time_zone)},
               {"normalization", std::string(Name(corpus.normalization))},
               {"size", Bytes(corpus.size_bytes)},
               {"characters", WholeNumber(corpus.character_count)},
               {"vocabulary", WholeNumber(corpus.vocabulary_size) + " tokens, <unk> included"},
               {"most frequent", MostFrequent(corpus)},
               {"sha256", corpus.sha256}},
              console.out);
  if (corpus.documents.empty()) return;
  console.out << '\n';
  Table table({{"DOCUMENT"},
               {"SIZE", Table::Align::kRight},
               {"CHARACTERS", Table::Align::kRight},
               {"SHARE", Table::Align::kRight},
               {"VOCABULARY", Table::Align::kRight}});
  for (const client::CorpusDocument& one : corpus.documents) {
    const double share =
        static_cast<double>(one.character_count) / static_cast<double>(corpus.character_count);
    table.AddRow({OneLine(one.name), Bytes(one.size_bytes), WholeNumber(one.character_count),
                  absl::StrFormat("%.1f %%", 100 * share), WholeNumber(one.vocabulary_size)});
  }
  table.Print(console.out);
}

struct AddOptions {
  std::string name;
  std::vector<std::string> files;
  client::Normalization normalization = client::Normalization::kUnspecified;
  std::string upload_id;
  std::vector<std::string> documents;
};

constexpr FieldFlag kAddFlags[] = {{"header.corpus_id", "NAME"},
                                   {"header.upload_id", "--upload-id"},
                                   {"upload_id", "--upload-id"},
                                   {"document.name", "--document"}};

// Of all of `files`, where each is one that has a size.
std::optional<int64_t> TotalBytes(const std::vector<std::string>& files) {
  int64_t total = 0;
  for (const std::string& file : files) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(file, error)) return std::nullopt;
    total += static_cast<int64_t>(std::filesystem::file_size(file, error));
    if (error) return std::nullopt;
  }
  return total;
}

// What the next try of an upload that did not end has to say, where it can go on.
void HintAtRest(CommandContext& context, client::Client& client,
                const client::UploadCorpusOptions& upload, const absl::Status& status) {
  if (!absl::IsCancelled(status) && !absl::IsUnavailable(status) &&
      !absl::IsResourceExhausted(status)) {
    return;
  }
  const auto kept = client.GetCorpusUpload(upload.upload_id);
  if (absl::IsNotFound(kept.status()) || (kept.ok() && kept->committed_bytes == 0)) return;
  const std::string what =
      kept.ok() ? "the first " + Bytes(kept->committed_bytes) : "what is on the server's disk";
  context.console().err << "note: " << what << " can wait there for a day; the same command with "
                        << "--upload-id " << upload.upload_id << " goes on\n";
}

// That of `--document`, or the file's without its ending; another one where that is taken.
std::string DocumentName(const AddOptions& options, size_t number,
                         const std::vector<client::DocumentSource>& before) {
  if (!options.documents.empty()) return options.documents[number];
  const std::string& file = options.files[number];
  const std::string plain =
      file == "-" ? "standard input" : std::filesystem::path(file).stem().string();
  std::string name = plain;
  const auto taken = [&](const client::DocumentSource& one) { return one.name == name; };
  for (int copy = 2; std::any_of(before.begin(), before.end(), taken); ++copy) {
    name = absl::StrCat(plain, " ", copy);
  }
  return name;
}

// A document of each file; `-` is what is left in `input`, and no document when it is alone.
absl::StatusOr<std::vector<client::DocumentSource>> Documents(const AddOptions& options,
                                                              std::istream& input) {
  std::vector<client::DocumentSource> documents;
  for (size_t i = 0; i < options.files.size(); ++i) {
    const std::string& file = options.files[i];
    absl::StatusOr<client::ByteSource> source =
        file == "-" ? client::StreamSource(input) : client::FilesSource({file});
    if (!source.ok()) return source.status();
    const bool nameless = options.files.size() == 1 && file == "-" && options.documents.empty();
    documents.push_back({.name = nameless ? "" : DocumentName(options, i, documents),
                         .source = *std::move(source)});
  }
  return documents;
}

absl::Status Add(CommandContext& context, const AddOptions& options) {
  Console& console = context.console();
  if (std::count(options.files.begin(), options.files.end(), "-") > 1) {
    return context.BadUsage("standard input (-) is there once only");
  }
  if (!options.documents.empty() && options.documents.size() != options.files.size()) {
    return context.BadUsage(
        absl::StrFormat("wanted one --document for each FILE or none: got %d for %d files",
                        options.documents.size(), options.files.size()));
  }
  // Before connecting: a file that is missing is known at once.
  const absl::StatusOr<std::vector<client::DocumentSource>> documents =
      Documents(options, console.in);
  if (!documents.ok()) return documents.status();
  auto client = context.Connect();
  if (!client.ok()) return client.status();

  client::UploadCorpusOptions upload;
  upload.corpus_id = ResourceId(kCollection, options.name);
  upload.normalization = options.normalization;
  upload.upload_id = options.upload_id.empty() ? client::NewUploadId() : options.upload_id;
  console.catch_interrupts();
  UploadLine line(console, TotalBytes(options.files));
  bool lost = false;
  client::UploadCorpusCallbacks callbacks;
  callbacks.progress = [&](int64_t bytes) {
    if (lost) line.Note("connected again");
    lost = false;
    line.Update(bytes);
  };
  callbacks.reconnecting = [&](const absl::Status& error) {
    if (!lost) line.Note("lost the connection: " + std::string(error.message()) + "; trying again");
    lost = true;
  };
  const auto corpus = (*client)->UploadCorpus(upload, *documents, callbacks, &console.interrupt);
  line.Erase();
  if (!corpus.ok()) {
    const absl::Status status = context.OrInterrupted(corpus.status());
    HintAtRest(context, **client, upload, status);
    return WithFlag(status, kAddFlags);
  }
  if (context.json()) {
    PrintDocument(ToJson(*corpus), console.out);
    return absl::OkStatus();
  }
  console.out << corpus->name << ": " << WholeNumber(corpus->character_count) << " characters, "
              << corpus->vocabulary_size << " in the vocabulary"
              << (corpus->document_count > 1
                      ? absl::StrCat(", ", corpus->document_count, " documents")
                      : "")
              << '\n';
  context.Hint("next: " + context.Suggest("train --corpus " + upload.corpus_id + " --model NAME"));
  return absl::OkStatus();
}

void DefineAdd(CLI::App& corpus, CommandContext& context) {
  CLI::App& command = AddCommand(
      corpus, "add", "Uploads a text to train on; it is stored only when all of it arrived.",
      "  derin corpus add timemachine timemachine.txt --normalization d2l-letters\n"
      "  derin corpus add books alice.txt sherlock.txt    # two documents: alice, sherlock\n"
      "  derin corpus add verse a.txt b.txt --document Poe --document Dickinson\n"
      "  curl -s https://example.org/book.txt | derin corpus add book -");
  auto options = std::make_shared<AddOptions>();
  command.add_option("NAME", options->name, "letters a-z, digits and hyphens, at most 63")
      ->required()
      ->type_name("");
  command
      .add_option("FILE", options->files,
                  "UTF-8 texts, each a document, joined with nothing between; - is standard input")
      ->required()
      ->type_name("");
  AddEnum(command, "--normalization", options->normalization, kNormalizationNames,
          "raw: the text as it is; d2l-letters: only lower-case letters and single spaces, as in "
          "\"Dive into Deep Learning\"; nfc: Unicode's Normalization Form C; lower-case: each "
          "character in its lower case; nfc-lower-case: nfc, and lower-case then [raw]");
  AddTexts(command, "--document", options->documents,
           "name of a document, once for each FILE in order [the file's, without ending]");
  command
      .add_option("--upload-id", options->upload_id,
                  "of an upload that broke, to go on with it [one that is drawn]")
      ->type_name("ID");
  context.Define(command, [&context, options] { return Add(context, *options); });
}

void DefineList(CLI::App& corpus, CommandContext& context) {
  CLI::App& command =
      AddCommand(corpus, "list", "Lists the texts that the server has.", "  derin corpus list");
  context.DefineWithClient(command, [&context](client::Client& client) -> absl::Status {
    Console& console = context.console();
    const auto corpora = client.ListCorpora();
    if (!corpora.ok()) return corpora.status();
    if (context.json()) {
      PrintDocument(ListToJson(kCollection, *corpora), console.out);
      return absl::OkStatus();
    }
    if (corpora->empty()) {
      console.err << "no corpora yet; add one: " << context.Suggest("corpus add NAME FILE") << '\n';
      return absl::OkStatus();
    }
    Table table({{"NAME"},
                 {"SIZE", Table::Align::kRight},
                 {"CHARACTERS", Table::Align::kRight},
                 {"VOCABULARY", Table::Align::kRight},
                 {"NORMALIZATION"},
                 {"CREATED"}});
    for (const client::Corpus& item : *corpora) {
      table.AddRow({ResourceId(kCollection, item.name), Bytes(item.size_bytes),
                    WholeNumber(item.character_count), WholeNumber(item.vocabulary_size),
                    std::string(Name(item.normalization)),
                    LocalTime(item.create_time, console.time_zone)});
    }
    table.Print(console.out);
    return absl::OkStatus();
  });
}

void DefineShow(CLI::App& corpus, CommandContext& context) {
  CLI::App& command = AddCommand(corpus, "show", "Says what is known of one text.",
                                 "  derin corpus show timemachine");
  auto name = std::make_shared<std::string>();
  command.add_option("NAME", *name, "of the corpus")->required()->type_name("");
  context.DefineWithClient(command, [&context, name](client::Client& client) -> absl::Status {
    const auto found = client.GetCorpus(ResourceName(kCollection, *name));
    if (!found.ok()) return WithNearestCorpus(found.status(), *name, client);
    if (context.json()) {
      PrintDocument(ToJson(*found), context.console().out);
    } else {
      Print(*found, context.console());
    }
    return absl::OkStatus();
  });
}

void DefineDelete(CLI::App& corpus, CommandContext& context) {
  CLI::App& command =
      AddCommand(corpus, "delete", "Deletes one text. Models that were trained on it stay.",
                 "  derin corpus delete timemachine");
  auto name = std::make_shared<std::string>();
  command.add_option("NAME", *name, "of the corpus")->required()->type_name("");
  context.DefineWithClient(command, [&context, name](client::Client& client) -> absl::Status {
    const std::string full_name = ResourceName(kCollection, *name);
    const absl::Status status = client.DeleteCorpus(full_name);
    if (!status.ok()) return WithNearestCorpus(status, *name, client);
    context.PrintDone("deleted", full_name);
    return absl::OkStatus();
  });
}

}  // namespace

void AddCorpusCommand(CLI::App& app, CommandContext& context) {
  CLI::App& corpus = AddCommand(app, "corpus", "Texts to train on: add, list, show, delete.",
                                "  derin corpus add timemachine timemachine.txt\n"
                                "  derin corpus list");
  corpus.require_subcommand(0, 1);
  DefineAdd(corpus, context);
  DefineList(corpus, context);
  DefineShow(corpus, context);
  DefineDelete(corpus, context);
}

}  // namespace derin::cli
