#include "server/rpc/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "server/status/error.h"
#include "server/usage/usage_ledger.h"
#include "tests/server/logging/captured_log.h"
#include "tests/temporary_folder.h"

namespace derin::server {
namespace {

using ::testing::EndsWith;

class AdmissionTest : public ::testing::Test {
 protected:
  AdmittedCall Admit() {
    absl::StatusOr<AdmittedCall> call = admission_.Admit(context_, "Service/Method");
    EXPECT_TRUE(call.ok()) << call.status();
    return *std::move(call);
  }
  uint64_t Ended(const char* code) {
    return metrics_.grpc_requests.With("Service/Method", code).Value();
  }
  int64_t InFlight() { return metrics_.grpc_in_flight.With("Service/Method").Value(); }

  absl::Duration now_ = absl::Seconds(100);
  ServerMetrics metrics_{[this] { return now_; }};
  Admission admission_{metrics_};
  grpc::CallbackServerContext context_;
};

TEST_F(AdmissionTest, EverybodyIsLocal) { EXPECT_EQ(Admit().caller().name, "local"); }

TEST_F(AdmissionTest, CallsAreCountedWithTheirOutcome) {
  AdmittedCall good = Admit();
  AdmittedCall bad = Admit();
  EXPECT_EQ(InFlight(), 2);
  EXPECT_TRUE(good.End(absl::OkStatus()).ok());
  EXPECT_EQ(bad.End(absl::NotFoundError("no")).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(InFlight(), 0);
  EXPECT_EQ(Ended("OK"), 1u);
  EXPECT_EQ(Ended("NOT_FOUND"), 1u);
}

TEST_F(AdmissionTest, ErrorsAreCountedByTheirReason) {
  const auto errors = [this](const char* code, const char* reason) {
    return metrics_.grpc_errors.With(code, reason).Value();
  };
  Admit().End(absl::OkStatus());
  Admit().End(Refusal(absl::StatusCode::kResourceExhausted, "STREAMS_FULL", "wait"));
  Admit().End(absl::NotFoundError("no"));
  EXPECT_EQ(errors("RESOURCE_EXHAUSTED", "STREAMS_FULL"), 1u);
  EXPECT_EQ(errors("NOT_FOUND", ""), 1u);
  EXPECT_EQ(errors("OK", ""), 0u);
}

class CountedAdmissionTest : public AdmissionTest {
 protected:
  CountedAdmissionTest() { EXPECT_TRUE(usage_.Start().ok()); }

  absl::StatusOr<AdmittedCall> Ask(bool is_stream) {
    Caller ada{.name = "ada", .limits = {.tokens_per_minute = 60}};
    return counted_.Admit(ada, "Service/Method", is_stream);
  }

  TemporaryFolder folder_;
  const std::unique_ptr<MetadataStore> store_ = *MetadataStore::Open(folder_.path() / "file");
  UsageLedger usage_{*store_, metrics_, [this] { return now_; }};
  Admission counted_{metrics_, nullptr, &usage_};
};

TEST_F(CountedAdmissionTest, TheTimeOfCallsIsTheirCallers) {
  AdmittedCall first = *Ask(false), second = *Ask(true);
  now_ += absl::Seconds(2);
  first.End(absl::OkStatus());
  second.End(absl::NotFoundError("no"));
  EXPECT_EQ(usage_.Get("ada")->figures.call_time, absl::Seconds(4));
  EXPECT_EQ(first.caller().account, usage_.Of("ada"));
}

TEST_F(CountedAdmissionTest, ACallerWithoutTokensLeftIsRefusedWhatWouldUseSome) {
  Ask(true)->caller().account->AddPromptTokens(70);
  const absl::Status status = Ask(true).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), "CALLER_TOKENS_USED_UP");
  EXPECT_EQ(ErrorRetryDelay(status), absl::Seconds(11));
  EXPECT_NE(status.message().find("max_tokens_per_minute is 60"), std::string::npos) << status;
  EXPECT_TRUE(Ask(false).ok());
  now_ += absl::Seconds(11);
  EXPECT_TRUE(Ask(true).ok());
}

TEST_F(AdmissionTest, ACallThatIsOverIsLogged) {
  CapturedLog captured(LogFormat::kText, spdlog::level::debug);
  CallLog log;
  Admission admission(metrics_, /*callers=*/nullptr, /*usage=*/nullptr, &log);
  auto call = admission.Admit({.name = "ada"}, "Service/Method", /*is_stream=*/false, "4bf9");
  ASSERT_TRUE(call.ok());
  EXPECT_EQ(captured.text(), "");
  AdmittedCall moved = *std::move(call);
  now_ += absl::Milliseconds(1500);
  moved.End(Refusal(absl::StatusCode::kNotFound, "NO_SUCH_THING", "no such thing as secret"));
  EXPECT_THAT(captured.text(), EndsWith(" debug Call ended method=Service/Method code=NOT_FOUND "
                                        "seconds=1.5 caller=ada reason=NO_SUCH_THING "
                                        "trace_id=4bf9\n"));
  admission.StartDraining();
  EXPECT_FALSE(admission.Admit({.name = "bob"}, "Service/Method", false, "5c0a").ok());
  EXPECT_THAT(captured.text(), EndsWith("code=UNAVAILABLE seconds=0 caller=bob "
                                        "reason=SERVER_STOPPING trace_id=5c0a\n"));
}

TEST_F(AdmissionTest, ACallThatNobodyEndsWasCancelled) {
  { AdmittedCall call = Admit(); }
  EXPECT_EQ(InFlight(), 0);
  EXPECT_EQ(Ended("CANCELLED"), 1u);
}

TEST_F(AdmissionTest, AMovedCallIsOneCall) {
  std::optional<AdmittedCall> kept;
  {
    AdmittedCall call = Admit();
    kept = std::move(call);
  }
  EXPECT_EQ(InFlight(), 1);
  kept->End(absl::OkStatus());
  kept.reset();
  EXPECT_EQ(InFlight(), 0);
  EXPECT_EQ(Ended("OK"), 1u);
  EXPECT_EQ(Ended("CANCELLED"), 0u);
}

TEST_F(AdmissionTest, ADrainingServerRefusesNewCallsWithAReasonAndAHint) {
  admission_.StartDraining();
  const absl::Status status = admission_.Admit(context_, "Service/Method").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(status), "SERVER_STOPPING");
  EXPECT_TRUE(ErrorRetryDelay(status).has_value());
  EXPECT_EQ(Ended("UNAVAILABLE"), 1u);
  EXPECT_EQ(InFlight(), 0);
}

TEST_F(AdmissionTest, DrainingWaitsForTheCallsUnderWay) {
  std::optional<AdmittedCall> call = Admit();
  admission_.StartDraining();
  EXPECT_FALSE(admission_.AwaitIdle(absl::InfinitePast()));
  std::thread other([&call] { call->End(absl::OkStatus()); });
  EXPECT_TRUE(admission_.AwaitIdle(absl::InfiniteFuture()));
  other.join();
}

TEST_F(AdmissionTest, DrainingDoesNotWaitForCallsThatOnlyWatch) {
  AdmittedCall call = Admit();
  call.OnlyWatches();
  call.OnlyWatches();
  EXPECT_EQ(InFlight(), 1);
  admission_.StartDraining();
  EXPECT_TRUE(admission_.AwaitIdle(absl::InfinitePast()));
  call.End(absl::OkStatus());
  EXPECT_TRUE(admission_.AwaitIdle(absl::InfinitePast()));
}

TEST_F(AdmissionTest, AHurriedDrainWaitsNoLonger) {
  AdmittedCall call = Admit();
  admission_.StartDraining();
  std::thread other([this] { admission_.StopWaiting(); });
  EXPECT_FALSE(admission_.AwaitIdle(absl::InfiniteFuture()));
  other.join();
  // One wish ends one wait.
  call.End(absl::OkStatus());
  EXPECT_TRUE(admission_.AwaitIdle(absl::InfinitePast()));
}

TEST_F(AdmissionTest, WithoutTokensEverybodyMayDoEverything) {
  EXPECT_TRUE(Admit().caller().roles.Has(Role::kTrain));
  EXPECT_TRUE(Admit().caller().roles.Has(Role::kAdmin));
}

TEST_F(AdmissionTest, ACallerHasAsManyStreamsAsItsLimit) {
  const Caller ada{.name = "ada", .limits = {.streams = 2}};
  const auto admit = [&](const Caller& caller) {
    return admission_.Admit(caller, "Service/Method", /*is_stream=*/true);
  };
  auto first = admit(ada), second = admit(ada);
  ASSERT_TRUE(first.ok() && second.ok());
  const absl::Status third = admit(ada).status();
  EXPECT_EQ(third.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(third), "CALLER_STREAMS_FULL");
  EXPECT_TRUE(ErrorRetryDelay(third).has_value());
  EXPECT_NE(third.message().find("max_streams is 2"), absl::string_view::npos);
  EXPECT_EQ(Ended("RESOURCE_EXHAUSTED"), 1u);
  // Others, and calls that are no streams, have nothing to do with it.
  EXPECT_TRUE(admit({.name = "bob", .limits = {.streams = 2}}).ok());
  EXPECT_TRUE(admission_.Admit(ada, "Service/Method", /*is_stream=*/false).ok());
  AdmittedCall moved = *std::move(first);
  moved.End(absl::OkStatus());
  EXPECT_TRUE(admit(ada).ok());
  EXPECT_EQ(InFlight(), 1);
}

TEST_F(AdmissionTest, ACallerWithoutALimitHasThatOfTheServer) {
  Admission bounded(metrics_, nullptr, nullptr, nullptr, {.streams_per_caller = 1});
  const auto admit = [&](const Caller& caller) {
    return bounded.Admit(caller, "Service/Method", /*is_stream=*/true);
  };
  const auto ada = admit({.name = "ada"}), bob = admit({.name = "bob"});
  ASSERT_TRUE(ada.ok() && bob.ok());
  const absl::Status second = admit({.name = "ada"}).status();
  EXPECT_EQ(ErrorReason(second), "CALLER_STREAMS_FULL");
  EXPECT_THAT(std::string(second.message()), EndsWith("--max-streams-per-caller is 1"));
  const Caller cy{.name = "cy", .limits = {.streams = 2}};
  const auto first_of_cy = admit(cy);
  EXPECT_TRUE(first_of_cy.ok());
  EXPECT_TRUE(admit(cy).ok());
}

}  // namespace
}  // namespace derin::server
