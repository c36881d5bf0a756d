#include "client/cli/progress_line.h"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

namespace derin::cli {
namespace {

client::TrainingProgress Example() {
  client::TrainingProgress progress;
  progress.epoch = 12;
  progress.epochs = 50;
  progress.step = 340;
  progress.steps = 1400;
  progress.training_perplexity = 5.31;
  progress.validation_perplexity = 5.6;
  progress.tokens_per_second = 12345;
  progress.fraction_done = 0.24;
  progress.time_left = absl::Seconds(92);
  return progress;
}

TEST(ProgressText, ShowsEverythingWhereThereIsRoom) {
  EXPECT_EQ(ProgressText(Example(), 102),
            "epoch 12/50  step 340/1400  perplexity 5.31  valid 5.60  12.3k tokens/s  "
            "[==>       ] 24 %  1m32s left");
}

TEST(ProgressText, LengthensTheBarToAPoint) {
  const std::string widest = ProgressText(Example(), 1000);
  EXPECT_NE(widest.find("[=======>                      ] 24 %"), std::string::npos) << widest;
  EXPECT_EQ(ProgressText(Example(), 110).size(), 110u);
}

TEST(ProgressText, HasEachPartAndABarOnATerminalOfEightyColumns) {
  client::TrainingProgress progress = Example();
  EXPECT_EQ(ProgressText(progress, 79),
            "epoch 12/50 step 340/1400 ppl 5.31 valid 5.60 12.3k tok/s [=>      ] 1m32s left");
  progress.validation_perplexity.reset();
  EXPECT_EQ(ProgressText(progress, 79),
            "epoch 12/50  step 340/1400  ppl 5.31  12.3k tok/s  [==>      ] 24 %  1m32s left");

  progress.epoch = 1;
  progress.epochs = 25;
  progress.step = 10;
  progress.steps = 600;
  progress.training_perplexity = 28.42;
  progress.tokens_per_second = 10'000;
  progress.fraction_done = 0.01;
  progress.time_left = absl::Seconds(46);
  EXPECT_EQ(ProgressText(progress, 79),
            "epoch 1/25  step 10/600  perplexity 28.42  10.0k tok/s  [>      ] 1 %  46s left");
  progress.validation_perplexity = 9.3;
  EXPECT_EQ(ProgressText(progress, 79),
            "epoch 1/25 step 10/600 ppl 28.42 valid 9.30 10.0k tok/s [>       ] 1 % 46s left");
}

TEST(ProgressText, HasEachPartOfALongJobOnATerminalOfEightyColumns) {
  client::TrainingProgress progress = Example();
  progress.epoch = 120;
  progress.epochs = 500;
  progress.step = 18'540;
  progress.steps = 77'500;
  EXPECT_EQ(ProgressText(progress, 79),
            "epoch 120/500 step 18540/77500 ppl 5.31 valid 5.60 12.3k tok/s [=>      ] 1m32s");
}

TEST(ProgressText, ShortensItsWordsThenLeavesOutTheBarAndThePerplexityLast) {
  const auto text = [](int width) { return ProgressText(Example(), width); };
  EXPECT_EQ(text(101),
            "epoch 12/50  step 340/1400  perplexity 5.31  valid 5.60  12.3k tokens/s  "
            "[==>      ] 24 %  1m32s left");
  EXPECT_EQ(text(97),
            "epoch 12/50  step 340/1400  perplexity 5.31  valid 5.60  12.3k tok/s  "
            "[=>      ] 24 %  1m32s left");
  EXPECT_EQ(text(91),
            "epoch 12/50  step 340/1400  ppl 5.31  valid 5.60  12.3k tok/s  [==>      ] 24 %  "
            "1m32s left");
  EXPECT_EQ(text(83),
            "epoch 12/50 step 340/1400 ppl 5.31 valid 5.60 12.3k tok/s [=>     ] 24 % "
            "1m32s left");
  EXPECT_EQ(text(72), "epoch 12/50 step 340/1400 ppl 5.31 valid 5.60 12.3k tok/s [=>    ] 1m32s");
  EXPECT_EQ(text(71), "epoch 12/50 ppl 5.31 valid 5.60 12.3k tok/s 24 % 1m32s left");
  EXPECT_EQ(text(50), "epoch 12/50 ppl 5.31 valid 5.60 24 % 1m32s left");
  EXPECT_EQ(text(40), "ppl 5.31 valid 5.60 24 % 1m32s left");
  EXPECT_EQ(text(30), "ppl 5.31 24 % 1m32s left");
  EXPECT_EQ(text(20), "ppl 5.31 24 %");
  EXPECT_EQ(text(10), "ppl 5.31");
  EXPECT_EQ(text(3), "ppl");
  EXPECT_EQ(text(0), "");
  EXPECT_EQ(text(-1), "");
}

TEST(ProgressText, NeverPassesItsWidth) {
  for (int width = 0; width < 150; ++width) {
    EXPECT_LE(static_cast<int>(ProgressText(Example(), width).size()), width);
  }
}

TEST(ProgressText, LeavesOutWhatIsUnknown) {
  client::TrainingProgress progress = Example();
  progress.validation_perplexity.reset();
  progress.time_left.reset();
  const std::string text = ProgressText(progress, 100);
  EXPECT_EQ(text.find("valid"), std::string::npos) << text;
  EXPECT_EQ(text.find("left"), std::string::npos) << text;
}

TEST(ProgressText, SaysAHundredPercentOnlyWhenAllIsDone) {
  client::TrainingProgress progress = Example();
  progress.fraction_done = 0.9999;
  EXPECT_NE(ProgressText(progress, 108).find(">] 99 %"), std::string::npos);
  progress.fraction_done = 1;
  EXPECT_EQ(ProgressText(progress, 200).find("left"), std::string::npos);
  EXPECT_NE(ProgressText(progress, 108).find("==] 100 %"), std::string::npos);
  progress.fraction_done = 7;
  EXPECT_NE(ProgressText(progress, 108).find("==] 100 %"), std::string::npos);
  progress.fraction_done = std::nan("");
  EXPECT_NE(ProgressText(progress, 108).find("[>"), std::string::npos);
}

class ProgressLineTest : public ::testing::Test {
 protected:
  ProgressLine Make(bool terminal) {
    return ProgressLine(out_, {.terminal = terminal,
                               .columns = [this] { return columns_; },
                               .now = [this] { return now_; }});
  }
  // What was written since the last call.
  std::string Written() {
    std::string written = out_.str();
    out_.str("");
    return written;
  }
  client::TrainingProgress AtStep(int64_t step) {
    client::TrainingProgress progress = Example();
    progress.step = step;
    return progress;
  }

  std::ostringstream out_;
  int columns_ = 200;
  absl::Time now_ = absl::UnixEpoch();
};

TEST_F(ProgressLineTest, RedrawsOneLineOnATerminal) {
  ProgressLine line = Make(true);
  line.Update(AtStep(1));
  EXPECT_EQ(Written(), "\r" + ProgressText(AtStep(1), 199) + "\x1b[K");
  now_ += absl::Milliseconds(50);
  columns_ = 60;
  line.Update(AtStep(2));
  EXPECT_EQ(Written(), "\r" + ProgressText(AtStep(2), 59) + "\x1b[K");
}

TEST_F(ProgressLineTest, DrawsNoMoreOftenThanItsInterval) {
  ProgressLine line = Make(true);
  line.Update(AtStep(1));
  Written();
  now_ += absl::Milliseconds(49);
  line.Update(AtStep(2));
  EXPECT_EQ(Written(), "");
  now_ += absl::Milliseconds(1);
  line.Update(AtStep(3));
  EXPECT_NE(Written().find("step 3/"), std::string::npos);
}

TEST_F(ProgressLineTest, PutsNotesAboveTheLiveLine) {
  ProgressLine line = Make(true);
  line.Note("before");
  EXPECT_EQ(Written(), "before\n");
  line.Update(AtStep(1));
  Written();
  line.Note("something happened");
  EXPECT_EQ(Written(), "\r\x1b[Ksomething happened\n\r" + ProgressText(AtStep(1), 199) + "\x1b[K");
}

TEST_F(ProgressLineTest, ShowsTheLastUpdateAtTheEndAndLeavesTheLine) {
  ProgressLine line = Make(true);
  line.Update(AtStep(1));
  line.Update(AtStep(2));
  Written();
  line.Finish();
  EXPECT_EQ(Written(), "\r" + ProgressText(AtStep(2), 199) + "\x1b[K\n");
  line.Finish();
  EXPECT_EQ(Written(), "");
}

TEST_F(ProgressLineTest, WritesPlainLinesNowAndThenElsewhere) {
  ProgressLine line = Make(false);
  line.Update(AtStep(1));
  EXPECT_EQ(Written(), ProgressText(AtStep(1), 200) + "\n");
  now_ += absl::Seconds(4.9);
  line.Update(AtStep(2));
  EXPECT_EQ(Written(), "");
  now_ += absl::Seconds(0.1);
  line.Update(AtStep(3));
  EXPECT_EQ(Written(), ProgressText(AtStep(3), 200) + "\n");
  line.Note("note");
  EXPECT_EQ(Written(), "note\n");
  line.Finish();
  EXPECT_EQ(Written(), "");
}

TEST_F(ProgressLineTest, WritesPlainLinesInTheOrderOfWhatHappened) {
  ProgressLine line = Make(false);
  line.Update(AtStep(1));
  line.Update(AtStep(2));
  Written();
  line.Note("over");
  line.Finish();
  EXPECT_EQ(Written(), ProgressText(AtStep(2), 200) + "\nover\n");
}

TEST_F(ProgressLineTest, EndsWithoutALineWhenThereWasNothing) {
  ProgressLine line = Make(true);
  line.Finish();
  EXPECT_EQ(Written(), "");
}

}  // namespace
}  // namespace derin::cli
