// Sessions that leave the device, the memory, the process and the server, and go on elsewhere.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "derin/v1/generation.grpc.pb.h"
#include "tests/end_to_end/client_test_server.h"

namespace derin::server {
namespace {

using client::ErrorReason;
using testing::HasSubstr;

class SessionsTest : public ClientTest {
 protected:
  void SetUp() override {
    ClientTest::SetUp();
    TrainModel();
  }
  void RestartAndConnect() {
    client_.reset();
    Restart();
    Connect();
  }
  std::unique_ptr<v1::GenerationService::Stub> Stub() {
    return v1::GenerationService::NewStub(NewChannel());
  }
  v1::Session Open(v1::Durability durability = v1::DURABILITY_UNSPECIFIED,
                   std::optional<absl::Duration> time_to_live = std::nullopt) {
    v1::OpenSessionRequest request;
    request.set_model("models/sea");
    request.set_seed(5);
    request.set_durability(durability);
    if (time_to_live.has_value()) {
      request.mutable_time_to_live()->set_seconds(absl::ToInt64Seconds(*time_to_live));
    }
    TestContext context;
    v1::Session session;
    const grpc::Status status = Stub()->OpenSession(&context, request, &session);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return session;
  }
  std::pair<grpc::Status, v1::Session> Get(const std::string& name) {
    v1::GetSessionRequest request;
    request.set_name(name);
    TestContext context;
    v1::Session session;
    const grpc::Status status = Stub()->GetSession(&context, request, &session);
    return {status, session};
  }
  std::string Export(const std::string& name) {
    v1::ExportSessionRequest request;
    request.set_name(name);
    TestContext context;
    v1::ExportSessionResponse response;
    const grpc::Status status = Stub()->ExportSession(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.image();
  }
  std::pair<grpc::Status, v1::Session> Import(const std::string& image,
                                              const std::string& model = "") {
    v1::ImportSessionRequest request;
    request.set_image(image);
    request.set_model(model);
    TestContext context;
    v1::Session session;
    const grpc::Status status = Stub()->ImportSession(&context, request, &session);
    return {status, session};
  }
  std::string Say(const std::string& session, int tokens, const std::string& prompt = "") {
    const Generated generated =
        Generate({.session = session, .prompt = prompt, .max_tokens = tokens});
    EXPECT_TRUE(generated.end.ok()) << generated.end.status();
    return generated.text;
  }
};

TEST_F(SessionsTest, GoOnAfterARestartAsIfThereHadBeenNone) {
  const std::string whole = Open().name(), cut = Open(v1::DURABILITY_POWER).name();
  std::string wanted = Say(whole, 30, "the ");
  wanted += Say(whole, 30);
  std::string text = Say(cut, 30, "the ");
  RestartAndConnect();
  const auto [status, session] = Get(cut);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(session.tier(), v1::SESSION_TIER_DISK);
  EXPECT_EQ(session.position(), 33);
  EXPECT_EQ(session.durability(), v1::DURABILITY_POWER);
  EXPECT_EQ(session.model_version(), "models/sea/versions/1");
  EXPECT_EQ(client_->ListSessions()->size(), 2u);
  text += Say(cut, 30);
  EXPECT_EQ(text, wanted);
  EXPECT_EQ(Get(cut).second.tier(), v1::SESSION_TIER_DEVICE);
}

TEST_F(SessionsTest, GoBackToEarlierCallsAlsoAfterARestart) {
  const std::string name = Open().name();
  Say(name, 10, "the ");
  const std::string second = Say(name, 10);
  Say(name, 10);
  RestartAndConnect();
  const auto back = client_->RewindSession(name, 13);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->position, 13);
  EXPECT_EQ(Say(name, 10), second);
  const auto inside = client_->RewindSession(name, 17);
  ASSERT_TRUE(inside.ok()) << inside.status();
  EXPECT_EQ(Say(name, 6), second.substr(4));
}

TEST_F(SessionsTest, EndWithTheProcessWhereThatIsEnough) {
  const std::string name = Open(v1::DURABILITY_NONE).name();
  Say(name, 10, "the ");
  RestartAndConnect();
  EXPECT_EQ(ReasonOf(Get(name).first), "SESSION_NOT_FOUND");
}

TEST_F(SessionsTest, EndWhenNoCallUsesThemForTheirTime) {
  const v1::Session session = Open(v1::DURABILITY_PROCESS, absl::Minutes(5));
  EXPECT_EQ(session.expire_time().seconds() - session.idle_since().seconds(), 300);
  v1::OpenSessionRequest request;
  request.set_model("models/sea");
  request.mutable_time_to_live()->set_seconds(25 * 3600);
  TestContext context;
  v1::Session unused;
  const grpc::Status status = Stub()->OpenSession(&context, request, &unused);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "time_to_live");
  EXPECT_THAT(status.error_message(), HasSubstr("at most 24h"));
}

TEST_F(SessionsTest, OnAFullDeviceTakeTurnsWithoutNoticing) {
  // Places for four states of 1 layer, h and c, 24 units.
  options_.session_device_memory = 2 * 4 * 192;
  options_.session_memory = 4000;
  options_.metrics_listen = "127.0.0.1:0";
  RestartAndConnect();
  const std::string alone = Open().name();
  const std::string wanted = Say(alone, 40, "the ");
  std::vector<std::string> names, texts;
  for (int i = 0; i < 12; ++i) {
    names.push_back(Open().name());
    texts.push_back(Say(names.back(), 8, "the "));
  }
  for (int round = 0; round < 4; ++round) {
    for (size_t i = 0; i < names.size(); ++i) texts[i] += Say(names[i], 8);
  }
  for (const std::string& text : texts) EXPECT_EQ(text, wanted);
  EXPECT_EQ(Get(names[11]).second.tier(), v1::SESSION_TIER_DEVICE);
  EXPECT_EQ(Get(names[0]).second.tier(), v1::SESSION_TIER_DISK);
  const std::string metrics = HttpGet(server_->metrics_address(), "/metrics");
  EXPECT_THAT(metrics, HasSubstr("derin_sessions{tier=\"device\"} 4"));
  EXPECT_THAT(metrics, HasSubstr("derin_session_restores_total{tier=\"disk\",result=\"ok\"}"));
}

TEST_F(SessionsTest, GoOnAtAnotherServerThatHasTheModel) {
  const std::string name = Open().name();
  Say(name, 20, "the ");
  const std::string image = Export(name);
  const std::string wanted = Say(name, 40);
  const auto [here, copy] = Import(image);
  ASSERT_TRUE(here.ok()) << here.error_message();
  EXPECT_EQ(copy.position(), 23);
  EXPECT_EQ(Say(copy.name(), 40), wanted);

  // The same training makes the same model; the name it has there does not matter.
  const TemporaryFolder elsewhere;
  client_.reset();
  StopServer();
  options_.data_directory = elsewhere.path() / "data";
  StartServer();
  Connect();
  Upload("sea");
  client::TrainingSpec spec = SmallSpec();
  spec.model = "models/ocean";
  ASSERT_EQ(Train(spec).state, client::JobState::kSucceeded);
  EXPECT_EQ(Import(image).first.error_code(), grpc::StatusCode::NOT_FOUND) << "models/sea";
  const auto [there, moved] = Import(image, "models/ocean");
  ASSERT_TRUE(there.ok()) << there.error_message();
  EXPECT_EQ(moved.model_version(), "models/ocean/versions/1");
  EXPECT_EQ(Say(moved.name(), 40), wanted);

  spec.seed = 2;
  ASSERT_EQ(Train(spec).state, client::JobState::kSucceeded);
  const grpc::Status other = Import(image, "models/ocean").first;
  EXPECT_EQ(other.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(other), "MODEL_MISMATCH");
}

TEST_F(SessionsTest, ADamagedImageIsRefusedNamingTheField) {
  const std::string name = Open().name();
  Say(name, 5);
  std::string image = Export(name);
  image[image.size() / 2] ^= 1;
  for (const std::string& bytes : {image, std::string(), std::string("drinses1")}) {
    const grpc::Status status = Import(bytes).first;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(FieldOf(status), "image");
  }
}

TEST_F(SessionsTest, AreNotOpenedBeyondTheDisksShareAndSayHow) {
  options_.session_disk = 2000;
  RestartAndConnect();
  absl::Status status;
  for (int i = 0; status.ok() && i < 50; ++i) {
    status = client_->OpenSession("models/sea").status();
  }
  EXPECT_EQ(ErrorReason(status), "SESSIONS_FULL");
  EXPECT_THAT(std::string(status.message()), HasSubstr("--session-disk"));
}

}  // namespace
}  // namespace derin::server
