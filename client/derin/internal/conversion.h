#pragma once

#include "derin/client/corpus.h"
#include "derin/client/generation.h"
#include "derin/client/model.h"
#include "derin/client/score.h"
#include "derin/client/server_info.h"
#include "derin/client/training.h"
#include "derin/client/usage.h"
#include "derin/v1/corpus.pb.h"
#include "derin/v1/generation.pb.h"
#include "derin/v1/model.pb.h"
#include "derin/v1/server.pb.h"
#include "derin/v1/training.pb.h"

// The only place where the API's messages and the library's structs meet. An enum value that this
// client does not know becomes kUnspecified.
namespace derin::client::internal {

Corpus FromProto(const derin::v1::Corpus& from);
Model FromProto(const derin::v1::Model& from);
ModelAlias FromProto(const derin::v1::ModelAlias& from);
ModelConfig FromProto(const derin::v1::ModelConfig& from);
ModelVersion FromProto(const derin::v1::ModelVersion& from);
TrainingSpec FromProto(const derin::v1::TrainingSpec& from);
TrainingProgress FromProto(const derin::v1::TrainingProgress& from);
TrainingJob FromProto(const derin::v1::TrainingJob& from);
TrainingEvent FromProto(const derin::v1::TrainingEvent& from);
TrainingMetrics FromProto(const derin::v1::TrainingMetrics& from);
TrainingCheckpoint FromProto(const derin::v1::TrainingCheckpoint& from);
// Into a request that opens a session.
void ToProto(const SessionOptions& from, derin::v1::OpenSessionRequest& to);
void ToProto(const SessionOptions& from, derin::v1::ImportSessionRequest& to);
Session FromProto(const derin::v1::Session& from);
GenerateStart FromProto(const derin::v1::GenerateStart& from);
DrawnLogProbability FromProto(const derin::v1::DrawnLogProbability& from);
ScoreStart FromProto(const derin::v1::ScoreTextStart& from);
ScoreTotals FromProto(const derin::v1::ScoreTotals& from);
GenerateEnd FromProto(const derin::v1::GenerateEnd& from);
ServerInfo FromProto(const derin::v1::ServerInfo& from);
Usage FromProto(const derin::v1::Usage& from);

derin::v1::UploadCorpusHeader ToProto(const UploadCorpusOptions& from);
CorpusUpload FromProto(const derin::v1::CorpusUpload& from);
derin::v1::ModelConfig ToProto(const ModelConfig& from);
derin::v1::TrainingSpec ToProto(const TrainingSpec& from);
// `from` names a model or a session; the session when it names both.
derin::v1::GenerateRequest ToProto(const GenerateOptions& from);

}  // namespace derin::client::internal
