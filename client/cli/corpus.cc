#include <algorithm>
#include <filesystem>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

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
}

struct AddOptions {
  std::string name;
  std::vector<std::string> files;
  client::Normalization normalization = client::Normalization::kUnspecified;
  std::string upload_id;
};

constexpr FieldFlag kAddFlags[] = {{"header.corpus_id", "NAME"},
                                   {"header.upload_id", "--upload-id"},
                                   {"upload_id", "--upload-id"}};

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
  if (absl::IsNotFound(kept.status())) return;
  const std::string what =
      kept.ok() ? "the first " + Bytes(kept->committed_bytes) : "what is on the server's disk";
  context.console().err << "note: " << what << " can wait there for a day; the same command with "
                        << "--upload-id " << upload.upload_id << " goes on\n";
}

// All of `files`; `-` is what is left in `input`.
absl::StatusOr<client::ByteSource> Source(const std::vector<std::string>& files,
                                          std::istream& input) {
  std::vector<client::ByteSource> sources;
  for (const std::string& file : files) {
    absl::StatusOr<client::ByteSource> source =
        file == "-" ? client::StreamSource(input) : client::FilesSource({file});
    if (!source.ok()) return source.status();
    sources.push_back(*std::move(source));
  }
  return client::JoinedSource(std::move(sources));
}

absl::Status Add(CommandContext& context, const AddOptions& options) {
  Console& console = context.console();
  if (std::count(options.files.begin(), options.files.end(), "-") > 1) {
    return context.BadUsage("standard input (-) is there once only");
  }
  // Before connecting: a file that is missing is known at once.
  const absl::StatusOr<client::ByteSource> source = Source(options.files, console.in);
  if (!source.ok()) return source.status();
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
  const auto corpus = (*client)->UploadCorpus(upload, *source, callbacks, &console.interrupt);
  line.Erase();
  if (!corpus.ok()) {
    HintAtRest(context, **client, upload, corpus.status());
    return WithFlag(corpus.status(), kAddFlags);
  }
  if (context.json()) {
    PrintDocument(ToJson(*corpus), console.out);
    return absl::OkStatus();
  }
  console.out << corpus->name << ": " << WholeNumber(corpus->character_count) << " characters, "
              << corpus->vocabulary_size << " in the vocabulary\n";
  context.Hint("next: " + context.Suggest("train --corpus " + upload.corpus_id + " --model NAME"));
  return absl::OkStatus();
}

void DefineAdd(CLI::App& corpus, CommandContext& context) {
  CLI::App& command = AddCommand(
      corpus, "add", "Uploads a text to train on; it is stored only when all of it arrived.",
      "  derin corpus add timemachine timemachine.txt --normalization d2l-letters\n"
      "  derin corpus add books alice.txt sherlock.txt    # one after the other\n"
      "  curl -s https://example.org/book.txt | derin corpus add book -");
  auto options = std::make_shared<AddOptions>();
  command.add_option("NAME", options->name, "letters a-z, digits and hyphens, at most 63")
      ->required()
      ->type_name("");
  command
      .add_option("FILE", options->files,
                  "UTF-8 texts, joined with nothing between; - is standard input")
      ->required()
      ->type_name("");
  AddEnum(command, "--normalization", options->normalization, kNormalizationNames,
          "raw: the text as it is; d2l-letters: only lower-case letters and single spaces, as in "
          "\"Dive into Deep Learning\"; nfc: Unicode's Normalization Form C; lower-case: each "
          "character in its lower case; nfc-lower-case: nfc, and lower-case then [raw]");
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
    if (context.json()) {
      PrintDocument({{"deleted", full_name}}, context.console().out);
    } else {
      context.console().out << "deleted " << full_name << '\n';
    }
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
