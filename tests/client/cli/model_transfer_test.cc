#include <fstream>
#include <iterator>

#include "tests/client/cli/command_test.h"
#include "tests/temporary_folder.h"

namespace derin::cli {
namespace {

using ::testing::HasSubstr;

class ModelTransferCommands : public CommandTest {
 protected:
  ModelTransferCommands() {
    answers().export_model = [this](auto&, const v1::ExportModelRequest& request,
                                    grpc::ServerWriter<v1::ExportModelResponse>& writer) {
      exported_ = request.name();
      v1::ExportModelResponse response;
      response.mutable_model_version()->set_name("models/tm/versions/3");
      response.mutable_model_version()->set_size_bytes(8);
      response.mutable_model_version()->set_sha256("abc");
      writer.Write(response);
      response.Clear();
      response.set_chunk("the file");
      writer.Write(response);
      return grpc::Status::OK;
    };
    answers().import_model = [this](auto&, grpc::ServerReader<v1::ImportModelRequest>& reader,
                                    v1::ModelVersion& version) {
      v1::ImportModelRequest request;
      reader.Read(&request);
      header_ = request.header();
      imported_.clear();
      while (reader.Read(&request)) imported_ += request.chunk();
      if (header_.sha256() == "bad") {
        return testing::Refusal{.code = grpc::StatusCode::INVALID_ARGUMENT,
                                .message = "header.sha256: got \"bad\"",
                                .reason = "INVALID_FIELD",
                                .field = "header.sha256"}
            .ToGrpc();
      }
      version.set_name(header_.model() + "/versions/1");
      return grpc::Status::OK;
    };
  }

  const TemporaryFolder folder_;
  std::string exported_, imported_;
  v1::ImportModelHeader header_;
};

TEST_F(ModelTransferCommands, AFileIsWrittenAndReadBack) {
  const std::string path = folder_.path() / "tm.safetensors";
  const Result written = Run({"models", "export", "tm/aliases/stable", "--out", path});
  EXPECT_EQ(written.status, kSuccess) << written.err;
  EXPECT_EQ(written.out, "");
  EXPECT_THAT(written.err,
              HasSubstr("wrote models/tm/versions/3, 8 B, to " + path + "\nsha256 abc"));
  EXPECT_EQ(exported_, "models/tm/aliases/stable");
  std::ifstream file(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), "the file");
  EXPECT_EQ(Run({"models", "import", path, "--model", "b", "--sha256", "abc"}).out,
            "models/b/versions/1\n");
  EXPECT_EQ(imported_, "the file");
  EXPECT_EQ(header_.model(), "models/b");
  EXPECT_EQ(header_.sha256(), "abc");
  EXPECT_THAT(Run({"models", "export", "tm", "--out", path, "--json"}).out,
              HasSubstr("\"sha256\": \"abc\""));
  EXPECT_THAT(Run({"models", "import", path, "--model", "b", "--json"}).out,
              HasSubstr("\"name\": \"models/b/versions/1\""));
}

TEST_F(ModelTransferCommands, APipeTakesTheBytesAndATerminalDoesNot) {
  EXPECT_EQ(Run({"models", "export", "tm"}).out, "the file");
  EXPECT_EQ(Run({"models", "import", "-", "--model", "b"}, "piped").status, kSuccess);
  EXPECT_EQ(imported_, "piped");
  EXPECT_EQ(Run({"models", "export", "tm", "--json"}).status, kBadUsage);
  terminal_ = true;
  const Result refused = Run({"models", "export", "tm"});
  EXPECT_EQ(refused.status, kBadUsage);
  EXPECT_THAT(refused.err, HasSubstr("--out FILE"));
}

TEST_F(ModelTransferCommands, RefusalsNameTheFlagOrTheFile) {
  EXPECT_THAT(Run({"models", "import", "-", "--model", "b", "--sha256", "bad"}, "x").err,
              HasSubstr("--sha256"));
  EXPECT_EQ(Run({"models", "import", folder_.path() / "none", "--model", "b"}).status, kRefused);
  EXPECT_EQ(Run({"models", "import", "-"}).status, kBadUsage);
  const Result nowhere = Run({"models", "export", "tm", "--out", folder_.path() / "none/file"});
  EXPECT_EQ(nowhere.status, kRefused);
  EXPECT_THAT(nowhere.err, HasSubstr("cannot write"));
}

TEST_F(ModelTransferCommands, AnInterruptIsCalledSo) {
  interrupt_.Cancel();
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"models", "export", "tm"},
        std::vector<std::string>{"models", "import", "-", "--model", "tm"}}) {
    const Result result = Run(command, "the file");
    EXPECT_EQ(result.status, kInterrupted);
    EXPECT_EQ(result.err, "derin: interrupted\n");
  }
}

}  // namespace
}  // namespace derin::cli
