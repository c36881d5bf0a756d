#include "server/server_options.h"

#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

std::variant<CommandLine, int> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "derind");
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data(), "/data");
}

CommandLine Good(const std::vector<const char*>& arguments) {
  const std::variant<CommandLine, int> parsed = Parse(arguments);
  EXPECT_TRUE(std::holds_alternative<CommandLine>(parsed));
  const CommandLine* line = std::get_if<CommandLine>(&parsed);
  return line == nullptr ? CommandLine() : *line;
}

TEST(ServerOptions, WithoutFlagsTheDefaultsHold) {
  const CommandLine line = Good({});
  const ServerOptions defaults;
  EXPECT_EQ(line.server.listen, defaults.listen);
  EXPECT_EQ(line.server.metrics_listen, defaults.metrics_listen);
  EXPECT_EQ(line.server.data_directory, "/data");
  EXPECT_EQ(line.server.device, "auto");
  EXPECT_EQ(line.server.max_corpus_bytes, defaults.max_corpus_bytes);
  EXPECT_EQ(line.server.grace, defaults.grace);
  EXPECT_FALSE(line.server.allow_insecure_remote);
  EXPECT_EQ(line.port_file, "");
}

TEST(ServerOptions, BackupAndRestoreReachTheirFieldsOneAtATime) {
  EXPECT_EQ(Good({"--backup", "/b"}).backup, "/b");
  EXPECT_EQ(Good({"--backup", "/b"}).restore, "");
  EXPECT_EQ(Good({"--restore", "/r"}).restore, "/r");
  EXPECT_EQ(std::get<int>(Parse({"--backup", "/b", "--restore", "/r"})), 2);
}

TEST(ServerOptions, EveryFlagReachesItsField) {
  const CommandLine line = Good({"--listen",
                                 "unix:/s",
                                 "--tls-certificate",
                                 "/c",
                                 "--tls-key",
                                 "/k",
                                 "--tls-client-ca",
                                 "/a",
                                 "--tokens",
                                 "/t",
                                 "--allow-insecure-remote",
                                 "--metrics-listen",
                                 "",
                                 "--data-dir",
                                 "/d",
                                 "--device",
                                 "reference",
                                 "--threads",
                                 "7",
                                 "--max-sessions",
                                 "1",
                                 "--max-streams",
                                 "2",
                                 "--max-calls-per-connection",
                                 "9",
                                 "--max-streams-per-caller",
                                 "8",
                                 "--handshake-timeout",
                                 "4s",
                                 "--keepalive-time",
                                 "20s",
                                 "--keepalive-timeout",
                                 "2s",
                                 "--min-ping-interval",
                                 "500ms",
                                 "--max-message-bytes",
                                 "1MiB",
                                 "--max-metadata-bytes",
                                 "16KiB",
                                 "--max-queued-jobs",
                                 "3",
                                 "--max-running-jobs",
                                 "4",
                                 "--max-corpus-bytes",
                                 "4KiB",
                                 "--max-model-bytes",
                                 "3MiB",
                                 "--max-prompt-bytes",
                                 "5",
                                 "--weights-memory",
                                 "6GiB",
                                 "--grace",
                                 "1m30s",
                                 "--port-file",
                                 "/p",
                                 "--log-level",
                                 "debug"});
  EXPECT_EQ(line.server.listen, "unix:/s");
  EXPECT_EQ(line.server.tls_certificate, "/c");
  EXPECT_EQ(line.server.tls_key, "/k");
  EXPECT_EQ(line.server.tls_client_ca, "/a");
  EXPECT_EQ(line.server.tokens, "/t");
  EXPECT_TRUE(line.server.allow_insecure_remote);
  EXPECT_EQ(line.server.metrics_listen, "");
  EXPECT_EQ(line.server.data_directory, "/d");
  EXPECT_EQ(line.server.device, "reference");
  EXPECT_EQ(line.server.threads, 7);
  EXPECT_EQ(line.server.max_sessions, 1);
  EXPECT_EQ(line.server.max_streams, 2);
  EXPECT_EQ(line.server.max_calls_per_connection, 9);
  EXPECT_EQ(line.server.max_streams_per_caller, 8);
  EXPECT_EQ(line.server.handshake_timeout, absl::Seconds(4));
  EXPECT_EQ(line.server.keepalive_time, absl::Seconds(20));
  EXPECT_EQ(line.server.keepalive_timeout, absl::Seconds(2));
  EXPECT_EQ(line.server.min_ping_interval, absl::Milliseconds(500));
  EXPECT_EQ(line.server.max_message_bytes, 1 << 20);
  EXPECT_EQ(line.server.max_metadata_bytes, 16 << 10);
  EXPECT_EQ(line.server.max_queued_jobs, 3);
  EXPECT_EQ(line.server.max_running_jobs, 4);
  EXPECT_EQ(line.server.max_corpus_bytes, 4096);
  EXPECT_EQ(line.server.max_model_bytes, 3 << 20);
  EXPECT_EQ(line.server.max_prompt_bytes, 5);
  EXPECT_EQ(line.server.weights_memory, int64_t{6} << 30);
  EXPECT_EQ(line.server.grace, absl::Seconds(90));
  EXPECT_EQ(line.port_file, "/p");
  EXPECT_EQ(line.log_level, "debug");
}

TEST(ServerOptions, OfAFlagGivenTwiceTheLastCounts) {
  const CommandLine line = Good({"--metrics-listen",
                                 "0.0.0.0:9464",
                                 "--data-dir",
                                 "/a",
                                 "--max-streams",
                                 "1",
                                 "--weights-memory",
                                 "1KiB",
                                 "--grace",
                                 "1s",
                                 "--log-level",
                                 "off",
                                 "--allow-insecure-remote",
                                 "--metrics-listen",
                                 "",
                                 "--data-dir",
                                 "/b",
                                 "--max-streams",
                                 "2",
                                 "--weights-memory",
                                 "2KiB",
                                 "--grace",
                                 "2s",
                                 "--log-level",
                                 "info",
                                 "--allow-insecure-remote"});
  EXPECT_EQ(line.server.metrics_listen, "");
  EXPECT_EQ(line.server.data_directory, "/b");
  EXPECT_EQ(line.server.max_streams, 2);
  EXPECT_EQ(line.server.weights_memory, 2048);
  EXPECT_EQ(line.server.grace, absl::Seconds(2));
  EXPECT_EQ(line.log_level, "info");
  EXPECT_TRUE(line.server.allow_insecure_remote);
}

TEST(ServerOptions, ValuesOutOfRangeAreBadUsage) {
  for (const std::vector<const char*>& arguments :
       std::vector<std::vector<const char*>>{{"--max-sessions", "0"},
                                             {"--max-sessions", "1000000001"},
                                             {"--session-memory", "0"},
                                             {"--session-ttl", "8761h"},
                                             {"--max-streams", "many"},
                                             {"--max-corpus-bytes", "-1"},
                                             {"--max-corpus-bytes", "1 parsec"},
                                             {"--max-prompt-bytes", "1048577"},
                                             {"--max-message-bytes", "524287"},
                                             {"--max-message-bytes", "2GiB"},
                                             {"--max-metadata-bytes", "1023"},
                                             {"--max-metadata-bytes", "2MiB"},
                                             {"--max-streams-per-caller", "-1"},
                                             {"--min-ping-interval", "6m"},
                                             {"--keepalive-time", "2h"},
                                             {"--grace", "-1s"},
                                             {"--grace", "nan"},
                                             {"--grace", "25h"},
                                             {"--log-level", "loud"},
                                             {"positional"}}) {
    const std::variant<CommandLine, int> parsed = Parse(arguments);
    ASSERT_TRUE(std::holds_alternative<int>(parsed)) << arguments[0];
    EXPECT_EQ(std::get<int>(parsed), 2);
  }
}

TEST(ServerOptions, ATimeMayBeANumberOfSeconds) {
  EXPECT_EQ(Good({"--grace", "10"}).server.grace, absl::Seconds(10));
  EXPECT_EQ(Good({"--grace", "0.5"}).server.grace, absl::Milliseconds(500));
}

// What is said on standard error about `arguments`.
std::string Complaint(const std::vector<const char*>& arguments) {
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(std::holds_alternative<int>(Parse(arguments)));
  return ::testing::internal::GetCapturedStderr();
}

TEST(ServerOptions, BadUsageIsSaidInTheProgramsOwnName) {
  const std::string see = "\nsee: derind --help\n";
  EXPECT_EQ(Complaint({"--lisen", "x"}),
            "derind: unknown flag '--lisen', did you mean '--listen'?" + see);
  EXPECT_EQ(Complaint({"x"}), "derind: one word too many: 'x'" + see);
  EXPECT_EQ(Complaint({"--device"}), "derind: --device wants a value" + see);
  EXPECT_EQ(Complaint({"--grace", "soon"}),
            "derind: --grace: got soon, wanted a time from 0 to 24h, such as 10s" + see);
}

TEST(ServerOptions, AnUnknownOptionInTheConfigFileIsNamedWithTheNearest) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "derind.toml";
  const auto complaint = [&path](const std::string& text) {
    WriteTestFile(path, text);
    return Complaint({"--config", path.c_str()});
  };
  const std::string see = "\nsee: derind --help\n";
  EXPECT_EQ(complaint("max-streams = 3\nzebra = 1\n"),
            "derind: " + path + ": unknown option 'zebra'" + see);
  EXPECT_EQ(complaint("max-strems = 3\n"), "derind: " + path +
                                               ": unknown option 'max-strems', did you mean "
                                               "'max-streams'?" +
                                               see);
  EXPECT_EQ(
      complaint("\ngrace = 3s\n"),
      "derind: " + path +
          ": line 2, column 10: decimal integer: expected digit, saw 's' (a text wants quotes)" +
          see);
  EXPECT_THAT(complaint("check-config = true\n"), HasSubstr("not allowed in a configuration file"));
  WriteTestFile(path, "max-streams = 3\n");
  EXPECT_EQ(Good({"--config", path.c_str()}).server.max_streams, 3);
}

// What is written to standard output.
std::string Output(const std::vector<const char*>& arguments) {
  ::testing::internal::CaptureStdout();
  const std::variant<CommandLine, int> parsed = Parse(arguments);
  EXPECT_TRUE(std::holds_alternative<int>(parsed) && std::get<int>(parsed) == 0);
  return ::testing::internal::GetCapturedStdout();
}

TEST(ServerOptions, ThePrintedConfigurationReadsBackAsItWas) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "derind.toml";
  const std::string defaults = Output({"--print-config"});
  EXPECT_THAT(defaults,
              HasSubstr("# Where to serve gRPC: HOST:PORT (0: any free port) or unix:PATH\n"
                        "listen = \"127.0.0.1:50051\"\n"));
  EXPECT_THAT(defaults, HasSubstr("\ndata-dir = \"/data\"\n"));
  EXPECT_THAT(defaults, HasSubstr("\nallow-insecure-remote = false\n"));
  WriteTestFile(path, defaults);
  EXPECT_EQ(Output({"--config", path.c_str(), "--print-config"}), defaults);

  const std::string changed = Output({"--print-config",
                                      "--listen",
                                      "unix:/a \"b\" \\c # 'd', e",
                                      "--tls-key",
                                      "/k, l",
                                      "--data-dir",
                                      "/d d",
                                      "--allow-insecure-remote",
                                      "--metrics-listen",
                                      "",
                                      "--threads",
                                      "2",
                                      "--session-ttl",
                                      "1h30m",
                                      "--max-corpus-bytes",
                                      "3MiB",
                                      "--grace",
                                      "1m",
                                      "--log-level",
                                      "error"});
  EXPECT_NE(changed, defaults);
  WriteTestFile(path, changed);
  EXPECT_EQ(Output({"--config", path.c_str(), "--print-config"}), changed);
  const CommandLine line = Good({"--config", path.c_str()});
  EXPECT_EQ(line.server.listen, "unix:/a \"b\" \\c # 'd', e");
  EXPECT_EQ(line.server.tls_key, "/k, l");
  EXPECT_EQ(line.server.data_directory, "/d d");
  EXPECT_TRUE(line.server.allow_insecure_remote);
  EXPECT_EQ(line.server.metrics_listen, "");
  EXPECT_EQ(line.server.threads, 2);
  EXPECT_EQ(line.server.session_time_to_live, absl::Minutes(90));
  EXPECT_EQ(line.server.max_corpus_bytes, 3 << 20);
  EXPECT_EQ(line.log_level, "error");
}

TEST(ServerOptions, FlagsOverruleTheFileInWhatIsPrinted) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "derind.toml";
  WriteTestFile(path, "max-streams = 3\nmax-sessions = 4\n");
  const std::string printed =
      Output({"--config", path.c_str(), "--max-streams", "5", "--print-config"});
  EXPECT_THAT(printed, HasSubstr("\nmax-streams = 5\n"));
  EXPECT_THAT(printed, HasSubstr("\nmax-sessions = 4\n"));
}

TEST(ServerOptions, TheConfigurationIsCheckedOrPrinted) {
  EXPECT_FALSE(Good({}).check_config);
  EXPECT_TRUE(Good({"--check-config"}).check_config);
  EXPECT_THAT(Complaint({"--check-config", "--print-config"}), HasSubstr("excludes"));
}

TEST(ServerOptions, WritesItsCompletionAndItsManualPageAlsoWithoutADataDirectory) {
  for (const auto& [arguments, wanted] :
       std::vector<std::pair<std::vector<const char*>, std::string>>{
           {{"derind", "--completion", "bash"}, "complete -F _derind derind\n"},
           {{"derind", "--man-page"}, ".TH DERIND 1 "}}) {
    ::testing::internal::CaptureStdout();
    const auto parsed =
        ParseCommandLine(static_cast<int>(arguments.size()), arguments.data(), std::nullopt);
    EXPECT_THAT(::testing::internal::GetCapturedStdout(), HasSubstr(wanted));
    EXPECT_EQ(std::get<int>(parsed), 0);
  }
}

TEST(ServerOptions, TheHelpSaysWhatSighupReadsAgain) {
  EXPECT_THAT(Output({"--help"}), HasSubstr("SIGHUP has the\nfile of --tokens read again"));
}

}  // namespace
}  // namespace derin::server
