#include "derin/internal/request_check.h"

#include <gtest/gtest.h>

#include <string>

#include "derin/client/error.h"
#include "derin/v1/generation.pb.h"
#include "derin/v1/training.pb.h"
#include "tests/client/fake_server.h"

namespace derin::client::internal {
namespace {

absl::Status CheckPrompt(const std::string& prompt) {
  v1::GenerateRequest request;
  request.set_prompt(prompt);
  return CheckUtf8(request);
}

TEST(RequestCheck, TakesCharactersOfEveryLength) {
  for (const char* text : {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "é€😀"}) {
    EXPECT_TRUE(CheckPrompt(text).ok()) << text;
  }
}

TEST(RequestCheck, RefusesEveryKindOfFault) {
  for (const char* text : {
           "\x80",              // goes on with nothing
           "\xc3",              // cut
           "\xe2\x82",          // cut
           "\xf0\x9f\x98",      // cut
           "\xc0\xaf",          // '/' written too long
           "\xe0\x9f\xbf",      // too long
           "\xf0\x8f\xbf\xbf",  // too long
           "\xed\xa0\x80",      // half of a pair of UTF-16
           "\xf4\x90\x80\x80",  // above U+10FFFF
           "\xf5\x80\x80\x80",  // above U+10FFFF
           "\xff",
       }) {
    EXPECT_EQ(CheckPrompt(text).code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(RequestCheck, NamesTheFieldAndTheByte) {
  v1::CreateTrainingJobRequest request;
  request.mutable_training_job()->mutable_spec()->set_corpus("corpora/\xe9t\xe9");
  const absl::Status status = CheckUtf8(request);
  EXPECT_EQ(testing::Message(status), "training_job.spec.corpus: byte 8 is not UTF-8");
  EXPECT_EQ(ErrorField(status), "training_job.spec.corpus");
}

TEST(RequestCheck, LeavesBytesAlone) {
  v1::UploadCorpusRequest request;
  request.set_chunk("\xff");
  EXPECT_TRUE(CheckUtf8(request).ok());
}

}  // namespace
}  // namespace derin::client::internal
