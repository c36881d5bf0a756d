#include <gmock/gmock.h>
#include <signal.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client_test_server.h"
#include "derind_process.h"

namespace derin::server {
namespace {

using ::testing::HasSubstr;

// Backups of a real server that works meanwhile.
class BackedUpServerTest : public ClientTest {
 protected:
  void SetUp() override {}

  std::filesystem::path Path(const std::string& name) const { return folder_.path() / name; }
  std::vector<std::string> Serve(const std::string& data) const {
    return {"--listen",   "127.0.0.1:0",       "--metrics-listen", "",
            "--data-dir", Path(data).native(), "--port-file",      Path("port").native()};
  }
  // A client of the server that has begun to serve.
  std::unique_ptr<client::Client> NewClient() const {
    std::string kind, address;
    std::ifstream(Path("port")) >> kind >> address;
    auto connected = client::Client::Connect({.address = address});
    EXPECT_TRUE(connected.ok()) << connected.status();
    return connected.ok() ? *std::move(connected) : nullptr;
  }
  // Runs to its end; what it printed.
  std::string Run(const std::vector<std::string>& arguments, int status) {
    Derind derind(arguments);
    EXPECT_EQ(derind.ExitStatus(), status) << derind.printed();
    return derind.printed();
  }

  std::string Say(const std::string& session) {
    client::GenerateOptions options;
    options.session = session;
    options.max_tokens = 60;
    const Generated generated = Generate(options);
    EXPECT_TRUE(generated.end.ok()) << generated.end.status();
    return generated.text;
  }
  // Until the job has trained on from where it is now.
  void AwaitStep(const std::string& job, int64_t beyond) {
    EXPECT_TRUE(absl::IsCancelled(client_->WatchTrainingJob(
        job, {}, {.progress = [&](const client::TrainingProgress& progress) {
          return progress.step <= beyond;
        }})));
  }
  int64_t AwaitCheckpoint(const std::string& job) {
    int64_t step = 0;
    EXPECT_TRUE(absl::IsCancelled(
        client_->WatchTrainingJob(job, {}, {.progress = [&](const client::TrainingProgress&) {
                                    const auto checkpoints = client_->ListTrainingCheckpoints(job);
                                    if (checkpoints.ok() && !checkpoints->empty())
                                      step = checkpoints->front().step;
                                    return step == 0;
                                  }})));
    return step;
  }

  // What others do while the copy is made, until they are told to end.
  void Load(const std::atomic<bool>& done, std::atomic<int>& rounds) {
    const auto client = NewClient();
    client::GenerateOptions text;
    text.model = "models/sea";
    text.open_session = true;
    text.max_tokens = 20;
    for (int i = 0; !done; ++i) {
      const std::string corpus = absl::StrCat("load-", i);
      EXPECT_TRUE(
          client->UploadCorpus({.corpus_id = corpus}, client::TextSource(Text() + corpus)).ok());
      std::string session;
      EXPECT_TRUE(client
                      ->Generate(text, {.start =
                                            [&](const client::GenerateStart& start) {
                                              session = start.session;
                                              return true;
                                            }})
                      .ok());
      if (i % 2 == 0) {
        EXPECT_TRUE(client->CloseSession(session).ok());
      } else {
        EXPECT_TRUE(client->DeleteCorpus("corpora/" + corpus).ok());
      }
      ++rounds;
      rounds.notify_all();
    }
  }
};

TEST_F(BackedUpServerTest, GoesOnFromABackupThatWasMadeUnderLoad) {
  std::vector<std::string> sessions, wanted;
  int64_t step = 0;
  {
    Derind derind(Serve("data"));
    derind.AwaitOutput("serves on");
    client_ = NewClient();
    TrainModel();
    for (int i = 0; i < 3; ++i) {
      const auto session = client_->OpenSession("models/sea", {});
      ASSERT_TRUE(session.ok()) << session.status();
      sessions.push_back(session->name);
      Say(session->name);
    }
    client::TrainingSpec endless = SmallSpec();
    endless.epochs = 1'000'000;
    endless.checkpoint_interval = absl::Seconds(1);
    endless.checkpoints_to_keep = 1;
    ASSERT_TRUE(client_->CreateTrainingJob(endless, {.id = "endless"}).ok());
    step = AwaitCheckpoint("trainingJobs/endless");

    std::atomic<bool> done = false;
    std::atomic<int> rounds = 0;
    std::thread load([&] { Load(done, rounds); });
    rounds.wait(0);
    std::string said;
    for (const char* target : {"earlier", "backup"}) {
      said = Run({"--data-dir", Path("data").native(), "--backup", Path(target).native()}, 0);
    }
    done = true;
    load.join();
    EXPECT_THAT(said, HasSubstr(absl::StrCat("Copied ", Path("data").native(), " to ",
                                             Path("backup").native(), ": ")));
    for (const std::string& session : sessions) wanted.push_back(Say(session));
    derind.Kill(SIGKILL);
  }
  EXPECT_THAT(
      Run({"--data-dir", Path("restored").native(), "--restore", Path("backup").native()}, 0),
      HasSubstr("Restored"));

  Derind derind(Serve("restored"));
  derind.AwaitOutput("serves on");
  client_ = NewClient();
  for (size_t i = 0; i < sessions.size(); ++i) EXPECT_EQ(Say(sessions[i]), wanted[i]);
  EXPECT_TRUE(client_->GetCorpus("corpora/sea").ok());
  EXPECT_TRUE(
      client_->ExportModel("models/sea", [](std::string_view) { return absl::OkStatus(); }).ok());
  const auto job = client_->GetTrainingJob("trainingJobs/endless");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_FALSE(client::IsOver(job->state));
  AwaitStep(job->name, step);
  EXPECT_TRUE(client_->CancelTrainingJob(job->name).ok());
}

TEST_F(BackedUpServerTest, SaysWhatIsInTheWay) {
  std::filesystem::create_directory(Path("empty"));
  EXPECT_THAT(Run({"--data-dir", Path("empty").native(), "--backup", Path("backup").native()}, 1),
              HasSubstr("is no data directory"));
  EXPECT_THAT(Run({"--data-dir", Path("new").native(), "--restore", Path("empty").native()}, 1),
              HasSubstr("is no backup"));
  EXPECT_THAT(Run({"--data-dir", "d", "--restore", "a", "--backup", "b"}, 2),
              HasSubstr("--restore"));
  Derind derind(Serve("data"));
  derind.AwaitOutput("serves on");
  Run({"--data-dir", Path("data").native(), "--backup", Path("backup").native()}, 0);
  EXPECT_THAT(Run({"--data-dir", Path("data").native(), "--restore", Path("backup").native()}, 1),
              HasSubstr("in use by a derind"));
}

}  // namespace
}  // namespace derin::server
