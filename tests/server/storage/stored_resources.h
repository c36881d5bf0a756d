#pragma once

#include <google/protobuf/message_lite.h>

#include <string>

#include "derin/v1/corpus.pb.h"
#include "derin/v1/model.pb.h"
#include "derin/v1/training.pb.h"
#include "server/storage/sha256.h"
#include "server/storage/training_job_table.h"

namespace derin::server {

// Resources as a test stores them: well-formed, with as little in them as the store looks at.

inline v1::Corpus TestCorpus(const std::string& id, const std::string& text = "some text") {
  v1::Corpus corpus;
  corpus.set_name("corpora/" + id);
  corpus.mutable_create_time()->set_seconds(1000);
  corpus.set_normalization(v1::NORMALIZATION_RAW);
  corpus.set_size_bytes(static_cast<int64_t>(text.size()));
  corpus.set_sha256(Sha256Hex(text));
  return corpus;
}

inline v1::TrainingEvent TestEvent(v1::TrainingJob::State state) {
  v1::TrainingEvent event;
  event.set_kind(v1::TrainingEvent::KIND_STATE_CHANGED);
  event.set_state(state);
  return event;
}

// A queued job that trains the model `model` on the corpus `text`, with its first event.
inline NewTrainingJob TestJob(const std::string& id, const std::string& model = "m") {
  NewTrainingJob job;
  job.update.job.set_name("trainingJobs/" + id);
  job.update.job.mutable_spec()->set_corpus("corpora/text");
  job.update.job.mutable_spec()->set_model("models/" + model);
  job.update.job.set_state(v1::TrainingJob::STATE_QUEUED);
  job.update.job.mutable_create_time()->set_seconds(2000);
  job.update.events.push_back(TestEvent(v1::TrainingJob::STATE_QUEUED));
  return job;
}

// `job` in a new state, with the event that says so.
inline JobUpdate InState(v1::TrainingJob job, v1::TrainingJob::State state) {
  job.set_state(state);
  return {std::move(job), {TestEvent(state)}};
}

// Equal as stored, field by field.
inline bool Same(const google::protobuf::MessageLite& a, const google::protobuf::MessageLite& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

}  // namespace derin::server
