#include "server/jobs/job_edit.h"

#include <gtest/gtest.h>

#include <string>

#include "server/status/error.h"

namespace derin::server {
namespace {

v1::TrainingJob Job() {
  v1::TrainingJob job;
  job.set_priority(1);
  (*job.mutable_labels())["team"] = "verse";
  (*job.mutable_labels())["draft"] = "";
  return job;
}

TEST(JobEdit, ChangesWhatTheMaskNamesAndNothingElse) {
  v1::UpdateTrainingJobRequest request;
  request.mutable_training_job()->set_priority(-5);
  (*request.mutable_training_job()->mutable_labels())["book"] = "emma";
  request.mutable_update_mask()->add_paths("priority");
  v1::TrainingJob job = Job();
  ASSERT_TRUE(ApplyEdit(request, job).ok());
  EXPECT_EQ(job.priority(), -5);
  EXPECT_EQ(job.labels_size(), 2);

  request.mutable_update_mask()->add_paths("labels.book");
  request.mutable_update_mask()->add_paths("labels.draft");
  job = Job();
  ASSERT_TRUE(ApplyEdit(request, job).ok());
  EXPECT_EQ(job.labels().at("book"), "emma");
  EXPECT_EQ(job.labels().at("team"), "verse");
  EXPECT_FALSE(job.labels().contains("draft")) << "the request has no value for it";

  request.mutable_update_mask()->add_paths("labels");
  job = Job();
  ASSERT_TRUE(ApplyEdit(request, job).ok());
  EXPECT_EQ(job.labels_size(), 1) << "all of them anew";
}

TEST(JobEdit, RefusesWhatIsImmutableAndWhatIsOutOfBounds) {
  v1::UpdateTrainingJobRequest request;
  v1::TrainingJob job = Job();
  EXPECT_EQ(ErrorField(ApplyEdit(request, job)), "update_mask");
  request.mutable_update_mask()->add_paths("spec.epochs");
  EXPECT_EQ(ErrorField(ApplyEdit(request, job)), "update_mask");
  *request.mutable_update_mask()->mutable_paths(0) = "priority";
  request.mutable_training_job()->set_priority(101);
  EXPECT_EQ(ErrorField(ApplyEdit(request, job)), "training_job.priority");
  *request.mutable_update_mask()->mutable_paths(0) = "labels.";
  (*request.mutable_training_job()->mutable_labels())[""] = "x";
  EXPECT_EQ(ErrorField(ApplyEdit(request, job)), "training_job.labels");
}

TEST(JobEdit, AShareHasBoundsAndADefault) {
  v1::UpdateTrainingJobRequest request;
  request.mutable_update_mask()->add_paths("share");
  v1::TrainingJob job = Job();
  EXPECT_EQ(ShareOf(job), 1);
  for (const int32_t share : {1, 7, 100}) {
    request.mutable_training_job()->set_share(share);
    ASSERT_TRUE(ApplyEdit(request, job).ok());
    EXPECT_EQ(ShareOf(job), share);
  }
  for (const int32_t share : {-1, 0, 101}) {
    request.mutable_training_job()->set_share(share);
    EXPECT_EQ(ErrorField(ApplyEdit(request, job)), "training_job.share") << share;
  }
  EXPECT_EQ(ShareOf(job), 100);
  request.mutable_training_job()->clear_share();
  ASSERT_TRUE(ApplyEdit(request, job).ok());
  EXPECT_EQ(ShareOf(job), 1) << "none is the default";
}

TEST(JobEdit, LabelsHaveBounds) {
  JobLabels labels;
  labels["a0_-" + std::string(59, 'z')] = std::string(63, 'v');
  EXPECT_TRUE(CheckLabels(labels, "labels").ok());
  labels["a"] = std::string(64, 'v');
  EXPECT_EQ(ErrorField(CheckLabels(labels, "labels")), "labels.a");
  for (const std::string& key : {std::string(64, 'a'), std::string("0a"), std::string("A"),
                                 std::string("a b"), std::string("a.b")}) {
    JobLabels bad;
    bad[key] = "";
    EXPECT_EQ(ErrorField(CheckLabels(bad, "labels")), "labels") << key;
  }
  JobLabels many;
  for (int i = 0; i < 32; ++i) many["k" + std::to_string(i)] = "";
  EXPECT_TRUE(CheckLabels(many, "labels").ok());
  many["one-more"] = "";
  EXPECT_EQ(ErrorField(CheckLabels(many, "labels")), "labels");
}

TEST(JobEdit, AJobHasTheLabelsThatItHasAllOf) {
  JobLabels wanted;
  EXPECT_TRUE(HasLabels(Job(), wanted));
  wanted["team"] = "verse";
  EXPECT_TRUE(HasLabels(Job(), wanted));
  wanted["draft"] = "no";
  EXPECT_FALSE(HasLabels(Job(), wanted));
}

}  // namespace
}  // namespace derin::server
