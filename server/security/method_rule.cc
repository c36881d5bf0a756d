#include "server/security/method_rule.h"

#include "absl/container/flat_hash_map.h"

namespace derin::server {
namespace {

constexpr MethodRule kRules[] = {
    {"/derin.v1.CorpusService/UploadCorpus", Role::kTrain},
    {"/derin.v1.CorpusService/GetCorpusUpload", Role::kTrain},
    {"/derin.v1.CorpusService/GetCorpus", Role::kRead},
    {"/derin.v1.CorpusService/ListCorpora", Role::kRead},
    {"/derin.v1.CorpusService/DeleteCorpus", Role::kTrain},

    {"/derin.v1.ModelService/GetModel", Role::kRead},
    {"/derin.v1.ModelService/ListModels", Role::kRead},
    {"/derin.v1.ModelService/GetModelVersion", Role::kRead},
    {"/derin.v1.ModelService/ListModelVersions", Role::kRead},
    {"/derin.v1.ModelService/ExportModel", Role::kRead},
    {"/derin.v1.ModelService/ImportModel", Role::kTrain},
    {"/derin.v1.ModelService/SetModelAlias", Role::kTrain},
    {"/derin.v1.ModelService/DeleteModelAlias", Role::kTrain},
    {"/derin.v1.ModelService/DeleteModel", Role::kAdmin},
    {"/derin.v1.ModelService/DeleteModelVersion", Role::kAdmin},
    {"/derin.v1.ModelService/ScoreText", Role::kGenerate, /*is_stream=*/true},

    {"/derin.v1.TrainingService/CreateTrainingJob", Role::kTrain},
    {"/derin.v1.TrainingService/GetTrainingJob", Role::kRead},
    {"/derin.v1.TrainingService/ListTrainingJobs", Role::kRead},
    {"/derin.v1.TrainingService/WatchTrainingJob", Role::kRead},
    {"/derin.v1.TrainingService/UpdateTrainingJob", Role::kTrain},
    {"/derin.v1.TrainingService/PauseTrainingJob", Role::kTrain},
    {"/derin.v1.TrainingService/ResumeTrainingJob", Role::kTrain},
    {"/derin.v1.TrainingService/YieldTrainingJob", Role::kTrain},
    {"/derin.v1.TrainingService/CancelTrainingJob", Role::kTrain},
    {"/derin.v1.TrainingService/DeleteTrainingJob", Role::kTrain},
    {"/derin.v1.TrainingService/ListTrainingMetrics", Role::kRead},
    {"/derin.v1.TrainingService/ListTrainingCheckpoints", Role::kRead},
    {"/derin.v1.TrainingService/PublishTrainingCheckpoint", Role::kTrain},
    {"/derin.v1.TrainingService/DeleteTrainingCheckpoint", Role::kTrain},

    {"/derin.v1.GenerationService/Generate", Role::kGenerate, /*is_stream=*/true},
    {"/derin.v1.GenerationService/OpenSession", Role::kGenerate},
    {"/derin.v1.GenerationService/GetSession", Role::kGenerate},
    {"/derin.v1.GenerationService/ListSessions", Role::kGenerate},
    {"/derin.v1.GenerationService/ForkSession", Role::kGenerate},
    {"/derin.v1.GenerationService/RewindSession", Role::kGenerate},
    {"/derin.v1.GenerationService/CloseSession", Role::kGenerate},
    {"/derin.v1.GenerationService/ExportSession", Role::kGenerate},
    {"/derin.v1.GenerationService/ImportSession", Role::kGenerate},

    {"/derin.v1.ServerService/GetServerInfo", Role::kRead},
    {"/derin.v1.ServerService/ListUsage", Role::kRead},

    {"/grpc.health.v1.Health/Check", std::nullopt},
    {"/grpc.health.v1.Health/Watch", std::nullopt},
    {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Role::kRead},
};

}  // namespace

absl::Span<const MethodRule> MethodRules() { return kRules; }

const MethodRule* RuleOf(std::string_view path) {
  static const auto& by_path = *new absl::flat_hash_map<std::string_view, const MethodRule*>([] {
    absl::flat_hash_map<std::string_view, const MethodRule*> rules;
    for (const MethodRule& rule : kRules) rules[rule.path] = &rule;
    return rules;
  }());
  const auto found = by_path.find(path);
  return found == by_path.end() ? nullptr : found->second;
}

}  // namespace derin::server
