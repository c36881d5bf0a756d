#include <gtest/gtest.h>

#include "derin/internal/conversion.h"
#include "tests/client/derin/internal/filled_message.h"

namespace derin::client::internal {
namespace {

// A field that the conversion forgets is lost on the way there and back.
TEST(TrainingConversion, BringsEveryFieldOfASpecThereAndBack) {
  const auto spec = Filled<v1::TrainingSpec>();
  ASSERT_TRUE(spec.optimizer().has_adamw());
  EXPECT_EQ(ToProto(FromProto(spec)).DebugString(), spec.DebugString());
  auto other = Filled<v1::TrainingSpec>();
  other.mutable_optimizer()->mutable_adam()->set_beta1(0.25);
  EXPECT_EQ(ToProto(FromProto(other)).DebugString(), other.DebugString());
  other.mutable_optimizer()->mutable_sgd()->set_momentum(0.75);
  EXPECT_EQ(ToProto(FromProto(other)).DebugString(), other.DebugString());
}

TEST(TrainingConversion, LeavesUnsetWhatIsUnset) {
  const v1::TrainingSpec spec = ToProto(TrainingSpec{});
  EXPECT_FALSE(spec.has_batch());
  EXPECT_FALSE(spec.has_seed());
  EXPECT_FALSE(spec.has_optimizer());
  EXPECT_FALSE(spec.learning_rate().has_peak());
  EXPECT_FALSE(spec.config().has_layers());
  EXPECT_EQ(FromProto(spec), TrainingSpec{});
}

TEST(TrainingConversion, TakesAnEnumValueThatItDoesNotKnowAsUnspecified) {
  v1::TrainingJob job;
  job.set_state(static_cast<v1::TrainingJob::State>(99));
  EXPECT_EQ(FromProto(job).state, JobState::kUnspecified);
}

TEST(TrainingConversion, ReadsAJobWithItsProgress) {
  const auto proto = Filled<v1::TrainingJob>();
  const TrainingJob job = FromProto(proto);
  EXPECT_EQ(job.name, proto.name());
  EXPECT_EQ(job.state, JobState::kQueued);
  EXPECT_EQ(job.reason, proto.reason());
  EXPECT_EQ(job.message, proto.message());
  EXPECT_EQ(absl::ToUnixSeconds(*job.start_time), proto.start_time().seconds());
  EXPECT_EQ(absl::ToUnixSeconds(*job.end_time), proto.end_time().seconds());
  EXPECT_EQ(job.attempt, proto.attempt());
  EXPECT_EQ(job.priority, proto.priority());
  EXPECT_EQ(job.share, proto.share());
  EXPECT_EQ(FromProto(v1::TrainingJob()).share, 1);
  EXPECT_EQ(job.waiting_reason, proto.waiting_reason());
  EXPECT_EQ(job.memory_bytes, proto.memory_bytes());
  EXPECT_EQ(absl::ToUnixSeconds(*job.queue_time), proto.queue_time().seconds());
  EXPECT_EQ(job.trace_id, proto.trace_id());
  EXPECT_EQ(job.progress->sample->step, proto.progress().sample().step());
  EXPECT_EQ(job.progress->sample->text, proto.progress().sample().text());
  EXPECT_EQ(job.model_version, proto.model_version());
  EXPECT_EQ(job.parameter_count, proto.parameter_count());
  EXPECT_EQ(job.last_sequence, proto.last_sequence());
  EXPECT_EQ(job.owner, proto.owner());
  const v1::TrainingProgress& from = proto.progress();
  const TrainingProgress& progress = *job.progress;
  EXPECT_EQ(progress.epoch, from.epoch());
  EXPECT_EQ(progress.epochs, from.epochs());
  EXPECT_EQ(progress.step, from.step());
  EXPECT_EQ(progress.steps, from.steps());
  EXPECT_EQ(progress.tokens, from.tokens());
  EXPECT_EQ(progress.training_loss, from.training_loss());
  EXPECT_EQ(progress.training_perplexity, from.training_perplexity());
  EXPECT_EQ(progress.epoch_training_perplexity, from.epoch_training_perplexity());
  EXPECT_EQ(progress.validation_perplexity, from.validation_perplexity());
  EXPECT_EQ(progress.best_perplexity, from.best_perplexity());
  EXPECT_EQ(progress.learning_rate, from.learning_rate());
  EXPECT_EQ(progress.gradient_norm, from.gradient_norm());
  EXPECT_EQ(progress.tokens_per_second, from.tokens_per_second());
  EXPECT_EQ(progress.fraction_done, from.fraction_done());
  EXPECT_EQ(*progress.time_left, absl::Seconds(from.time_left().seconds()) +
                                     absl::Nanoseconds(from.time_left().nanos()));
  EXPECT_EQ(*progress.training_time, absl::Seconds(from.training_time().seconds()) +
                                         absl::Nanoseconds(from.training_time().nanos()));
}

TEST(TrainingConversion, KnowsEveryEnumValueOfTheApi) {
  v1::TrainingJob job;
  for (int state = 1; v1::TrainingJob::State_IsValid(state); ++state) {
    job.set_state(static_cast<v1::TrainingJob::State>(state));
    EXPECT_NE(FromProto(job).state, JobState::kUnspecified) << state;
  }
  v1::TrainingSpec spec;
  for (int partition = 1; v1::Partition_IsValid(partition); ++partition) {
    spec.set_partition(static_cast<v1::Partition>(partition));
    EXPECT_NE(FromProto(spec).partition, Partition::kUnspecified) << partition;
  }
  for (int split = 1; v1::ValidationSplit_IsValid(split); ++split) {
    spec.set_validation_split(static_cast<v1::ValidationSplit>(split));
    EXPECT_NE(FromProto(spec).validation_split, ValidationSplit::kUnspecified) << split;
    EXPECT_EQ(ToProto(FromProto(spec)).validation_split(), split);
  }
  for (int schedule = 1; v1::LearningRate::Schedule_IsValid(schedule); ++schedule) {
    spec.mutable_learning_rate()->set_schedule(static_cast<v1::LearningRate::Schedule>(schedule));
    EXPECT_NE(FromProto(spec).learning_rate.schedule, LearningRate::Schedule::kUnspecified);
  }
  v1::TrainingEvent event;
  for (int kind = 1; v1::TrainingEvent::Kind_IsValid(kind); ++kind) {
    event.set_kind(static_cast<v1::TrainingEvent::Kind>(kind));
    EXPECT_NE(FromProto(event).kind, TrainingEvent::Kind::kUnspecified) << kind;
  }
}

}  // namespace
}  // namespace derin::client::internal
