#include "tests/client/cli/command_test.h"

namespace derin::cli {
namespace {

using ::testing::HasSubstr;

class StatusCommand : public CommandTest {
 protected:
  StatusCommand() {
    answers().get_server_info = [this](const auto&, v1::ServerInfo& info) {
      info.set_version("0.1.0");
      info.set_server_id("abc");
      info.mutable_start_time()->set_seconds(1000 - 92);
      info.mutable_device()->set_backend("cpu");
      info.mutable_device()->set_description("A Processor");
      info.mutable_device()->set_engine_id("cpu/f32/1");
      info.mutable_device()->set_free_bytes(int64_t{2} << 30);
      info.mutable_device()->set_total_bytes(int64_t{4} << 30);
      info.mutable_device()->set_failure(failure_);
      info.mutable_device()->add_precisions(v1::PRECISION_F32);
      info.mutable_device()->add_precisions(v1::PRECISION_BF16);
      info.mutable_device()->set_instructions(instructions_);
      info.mutable_device()->set_threads(threads_);
      info.mutable_load()->set_running_training_jobs(1);
      info.mutable_load()->set_trained_tokens_per_second(12345);
      info.mutable_load()->set_sessions(3);
      info.mutable_limits()->set_sessions(1024);
      info.mutable_limits()->set_queued_training_jobs(100);
      info.mutable_limits()->set_running_training_jobs(2);
      info.mutable_limits()->set_generate_streams(512);
      info.mutable_limits()->set_corpus_bytes(1 << 30);
      info.mutable_limits()->set_model_bytes(int64_t{2} << 30);
      info.mutable_limits()->set_prompt_bytes(1 << 20);
      info.mutable_limits()->mutable_session_time_to_live()->set_seconds(24 * 3600);
      return grpc::Status::OK;
    };
  }

  std::string instructions_ = "avx512-bf16";
  std::string failure_;
  int threads_ = 2;
};

TEST_F(StatusCommand, SaysWhatTheServerIsAndDoes) {
  const Result result = Run({"status"});
  EXPECT_EQ(result.status, kSuccess);
  EXPECT_EQ(result.out, "server      derind 0.1.0 at " + server_.address() +
                            ", up 1m32s, id abc\n"
                            "device      cpu (A Processor), avx512-bf16, 2 threads, engine "
                            "cpu/f32/1, 2.0 GiB of 4.0 GiB free\n"
                            "precisions  f32, bf16\n"
                            "training    1 of 2 running, 0 of 100 waiting, 12.3k tokens/s\n"
                            "generation  0 of 512 streams, 3 of 1,024 sessions, 0.0 tokens/s\n"
                            "limits      1.0 GiB a corpus, 2.0 GiB an imported model, 1.0 MiB a "
                            "prompt, 1d00h an idle "
                            "session\n");
}

TEST_F(StatusCommand, LeavesOutInstructionsThatTheDeviceDoesNotName) {
  instructions_ = "";
  threads_ = 1;
  EXPECT_THAT(Run({"status"}).out, HasSubstr("cpu (A Processor), 1 thread, engine cpu/f32/1"));
}

TEST_F(StatusCommand, SaysThatTheDeviceIsLost) {
  failure_ = "the GPU is lost";
  EXPECT_THAT(Run({"status"}).out, HasSubstr("free; of no use any more: the GPU is lost\n"));
}

TEST_F(StatusCommand, WritesJson) {
  const Result result = Run({"status", "--json"});
  EXPECT_THAT(result.out, HasSubstr("\"engine_id\": \"cpu/f32/1\""));
  EXPECT_THAT(result.out, HasSubstr("\"start_time\": \"1970-01-01T00:15:08Z\""));
}

}  // namespace
}  // namespace derin::cli
