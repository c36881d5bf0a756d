#include "model/backend/cuda/timing_process.h"

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/model/backend/cuda/fake_gpu.h"
#include "tests/temporary_folder.h"

namespace derin::cuda {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto kStandard = WindowAlgorithm::kStandard, kPersist = WindowAlgorithm::kPersistStatic,
               kSteps = WindowAlgorithm::kStepProducts;

TimingRequest Request(std::vector<WindowAlgorithm> algorithms) {
  return {.ordinal = 0,
          .config = {.layers = 1, .hidden = 4, .vocabulary = 3, .precision = Precision::kF16},
          .extent = {.steps = 2, .batch = 2},
          .algorithms = std::move(algorithms)};
}

TEST(TimingRequest, IsReadAsItWasWritten) {
  const TimingRequest request = Request({kSteps, kStandard});
  const auto read = ParseTimingRequest(WordsOf(request));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->ordinal, 0);
  EXPECT_EQ(read->config, request.config);
  EXPECT_EQ(read->extent.steps, 2);
  EXPECT_EQ(read->extent.batch, 2);
  EXPECT_TRUE(read->extent.training);
  EXPECT_THAT(read->algorithms, ElementsAre(kSteps, kStandard));
}

TEST(TimingRequest, OfOtherWordsIsRefused) {
  const std::vector<std::string> words = WordsOf(Request({kStandard}));
  EXPECT_FALSE(ParseTimingRequest({words.begin(), words.begin() + 7}).ok());
  for (size_t i = 0; i < words.size(); ++i) {
    std::vector<std::string> wrong = words;
    wrong[i] = "wrong";
    EXPECT_EQ(ParseTimingRequest(wrong).status().code(), absl::StatusCode::kInvalidArgument) << i;
  }
}

// A process of ours is a script here, which says so much before it ends.
class TimingProcess : public testing::Test {
 protected:
  std::string Program(const std::string& script) {
    const std::filesystem::path path = folder_.path() / "program";
    std::ofstream(path) << "#!/bin/sh\necho \"$@\" >>" << (folder_.path() / "started").string()
                        << '\n'
                        << script << '\n';
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }
  std::vector<std::string> started() {
    std::vector<std::string> lines;
    std::ifstream file(folder_.path() / "started");
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

  TemporaryFolder folder_;
};

TEST_F(TimingProcess, AnswersForEachInTheirOrder) {
  const auto times = TimeInProcesses(Program("echo ok 2.5; echo error 12 not here; echo ok 1"),
                                     Request({kStandard, kPersist, kSteps}), absl::Minutes(1));
  ASSERT_EQ(times.size(), 3u);
  EXPECT_EQ(*times[0], 2.5);
  EXPECT_EQ(times[1].status(), absl::UnimplementedError("not here"));
  EXPECT_EQ(*times[2], 1);
  EXPECT_THAT(started(), ElementsAre("lstm f16 0 1 4 3 2 2 standard persist-static step-products"));
}

TEST_F(TimingProcess, ThatDiesIsFollowedByOneForTheRest) {
  const auto times =
      TimeInProcesses(Program("case $9 in standard) echo ok 2; kill -9 $$;; esac; echo ok 3"),
                      Request({kStandard, kPersist, kSteps}), absl::Minutes(1));
  ASSERT_EQ(times.size(), 3u);
  EXPECT_EQ(*times[0], 2);
  EXPECT_THAT(std::string(times[1].status().message()), HasSubstr("ended by signal 9"));
  EXPECT_EQ(*times[2], 3);
  EXPECT_THAT(started(), ElementsAre(HasSubstr("standard persist-static"),
                                     "lstm f16 0 1 4 3 2 2 step-products"));
}

TEST_F(TimingProcess, ToWhichTheGpuIsLostIsFollowedByOneForTheRest) {
  const auto times = TimeInProcesses(
      Program("case $9 in standard) echo error 14 the GPU is lost; exit 1;; esac; echo ok 3"),
      Request({kStandard, kPersist}), absl::Minutes(1));
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[0].status(), absl::UnavailableError("the GPU is lost"));
  EXPECT_EQ(*times[1], 3);
}

TEST_F(TimingProcess, ThatEndsOrTalksNonsenseOrIsNotThereIsAnError) {
  const auto message = [&](const std::string& program) {
    const auto times = TimeInProcesses(program, Request({kStandard}), absl::Minutes(1));
    EXPECT_EQ(times.size(), 1u);
    EXPECT_EQ(times[0].status().code(), absl::StatusCode::kAborted);
    return std::string(times[0].status().message());
  };
  EXPECT_THAT(message(Program("exit 3")), HasSubstr("exit status 3"));
  EXPECT_THAT(message(Program("echo hello")), HasSubstr("said 'hello'"));
  EXPECT_THAT(message(folder_.path() / "missing"), HasSubstr("cannot be started: No such file"));
}

TEST_F(TimingProcess, ThatSaysNothingIsEndedAtTheLimit) {
  const auto times = TimeInProcesses(Program("exec tail -f /dev/null"),
                                     Request({kStandard, kPersist}), absl::Milliseconds(50));
  ASSERT_EQ(times.size(), 2u);
  for (const auto& time : times) {
    EXPECT_EQ(time.status().code(), absl::StatusCode::kDeadlineExceeded);
  }
}

class AnswerTimingsTest : public testing::Test {
 protected:
  std::string Answers(const std::vector<std::string>& words, int status) {
    char* text = nullptr;
    size_t size = 0;
    std::FILE* out = open_memstream(&text, &size);
    EXPECT_EQ(AnswerTimings(FakeGpu::calls(), words, out), status);
    std::fclose(out);
    std::string answers(text, size);
    std::free(text);
    return answers;
  }

  FakeGpu gpu_{};
};

TEST_F(AnswerTimingsTest, ALineForEach) {
  gpu_.milliseconds_of[CUDNN_RNN_ALGO_STANDARD] = 3;
  gpu_.milliseconds_of_own = 2;
  EXPECT_EQ(Answers(WordsOf(Request({kStandard, kSteps})), 0), "ok 3.000000\nok 4.000000\n");
  EXPECT_EQ(Answers({"lstm"}, 2), "");
}

TEST_F(AnswerTimingsTest, EndsWhereTheGpuIsLost) {
  gpu_.FailNext("cudaGraphLaunch", cudaErrorIllegalAddress);
  EXPECT_THAT(Answers(WordsOf(Request({kStandard, kSteps})), 1),
              testing::MatchesRegex("error 14 the GPU is lost [^\n]*\n"));
}

}  // namespace
}  // namespace derin::cuda
