#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "derin/client/byte_source.h"
#include "derin/client/cancellation.h"
#include "derin/client/corpus.h"
#include "derin/client/error.h"
#include "derin/client/generation.h"
#include "derin/client/model.h"
#include "derin/client/score.h"
#include "derin/client/server_info.h"
#include "derin/client/training.h"
#include "derin/client/usage.h"

namespace derin::client {

namespace internal {
class Connection;
}

struct ConnectOptions {
  // HOST:PORT, or unix:PATH.
  std::string address = "127.0.0.1:50051";
  // PEM files, read once. With any of them the connection is encrypted: the server's certificate
  // must come from an authority in `tls_ca` (empty: one that the system trusts) and name the host.
  std::string tls_ca;
  // What the server may want to see in turn: both or neither.
  std::string tls_certificate;
  std::string tls_key;
  // File with the token that the server knows the caller by; empty: none. It is sent over TLS, to
  // this machine's 127.0.0.1, [::1] or localhost, or over a Unix socket, and nowhere else.
  std::string token_file;
  // How long to wait for a connection; one that is refused ends the wait at once.
  absl::Duration connect_timeout = absl::Seconds(5);
  // How long one call may take; RewindSession and those that take a Cancellation take as long as
  // they need.
  absl::Duration call_timeout = absl::Seconds(30);
};

// INVALID_ARGUMENT unless `address` is HOST:PORT or unix:PATH.
absl::Status CheckAddress(std::string_view address);

struct CreateTrainingJobOptions {
  // The id to give it: `[a-z][a-z0-9-]{0,62}`. Empty: one that the server draws.
  std::string id;
  // When not empty (at most 128 bytes), the same request sent again answers with the first's job.
  std::string request_id;
  // Check all, store nothing: the reply is the job as it would be.
  bool validate_only = false;
  // As TrainingJob's, here and below: at most 32, with keys of `[a-z][a-z0-9_-]{0,62}`.
  std::map<std::string, std::string> labels;
  // -100 to 100.
  int32_t priority = 0;
  // 1 to 100.
  int32_t share = 1;
};

struct WatchOptions {
  // Events after this number are delivered; 0: all.
  int64_t since_sequence = 0;
  // A watch that has begun and loses its connection tries again so many times in a row, waiting
  // twice as long each time, 2 s at most.
  int reconnect_tries = 10;
  absl::Duration reconnect_wait = absl::Milliseconds(250);
};

// Called on the calling thread as messages arrive; empty ones are skipped. False stops the call.
struct WatchCallbacks {
  // The job as it is now: first, and again after each reconnection.
  std::function<bool(const TrainingJob& job)> snapshot;
  // In order, each once, also across reconnections.
  std::function<bool(const TrainingEvent& event)> event;
  // At least four a second while training; may be dropped when this reader is slow.
  std::function<bool(const TrainingProgress& progress)> progress;
  // The connection broke with `error`; it is tried again when this returns.
  std::function<void(const absl::Status& error)> reconnecting;
};

// A connection to one Derin server. Calls block; any number of threads may call at once.
//
// Errors are the server's own, with what ErrorReason(), ErrorField() and ErrorRetryDelay() tell. A
// server that cannot be reached is UNAVAILABLE, text that is not UTF-8 INVALID_ARGUMENT before
// anything is sent. A call that a callback or a Cancellation ended is CANCELLED.
class Client {
 public:
  static absl::StatusOr<std::unique_ptr<Client>> Connect(const ConnectOptions& options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const std::string& address() const;

  absl::StatusOr<ServerInfo> GetServerInfo();
  // The caller's own, or everybody's, by name, where it is an admin.
  absl::StatusOr<std::vector<Usage>> ListUsage();

  // Sends all of `source` in chunks as it is read; there is no corpus unless all of it arrived.
  // Goes on after a break from where the server has it on the disk.
  absl::StatusOr<Corpus> UploadCorpus(const UploadCorpusOptions& options, const ByteSource& source,
                                      const UploadCorpusCallbacks& callbacks = {},
                                      Cancellation* cancellation = nullptr);
  // The same of a corpus of several documents, each normalised for itself.
  absl::StatusOr<Corpus> UploadCorpus(const UploadCorpusOptions& options,
                                      const std::vector<DocumentSource>& documents,
                                      const UploadCorpusCallbacks& callbacks = {},
                                      Cancellation* cancellation = nullptr);
  // What the server has of an upload of the caller's.
  absl::StatusOr<CorpusUpload> GetCorpusUpload(const std::string& upload_id);
  // Names are `corpora/ID`, `models/ID`, `trainingJobs/ID` and `sessions/ID` throughout.
  absl::StatusOr<Corpus> GetCorpus(const std::string& name);
  // All of them, by id.
  absl::StatusOr<std::vector<Corpus>> ListCorpora();
  absl::Status DeleteCorpus(const std::string& name);

  absl::StatusOr<TrainingJob> CreateTrainingJob(const TrainingSpec& spec,
                                                const CreateTrainingJobOptions& options = {});
  absl::StatusOr<TrainingJob> GetTrainingJob(const std::string& name);
  // All of them that have all of `labels`, newest first.
  absl::StatusOr<std::vector<TrainingJob>> ListTrainingJobs(
      const std::map<std::string, std::string>& labels = {});
  absl::StatusOr<TrainingJob> UpdateTrainingJob(const std::string& name,
                                                const TrainingJobEdit& edit);
  // One that runs goes back to the queue, behind those of its priority.
  absl::StatusOr<TrainingJob> YieldTrainingJob(const std::string& name);
  absl::StatusOr<TrainingJob> PauseTrainingJob(const std::string& name);
  absl::StatusOr<TrainingJob> ResumeTrainingJob(const std::string& name);
  // The curve: a point every so many steps, by step, and as the last one where the job is.
  absl::StatusOr<std::vector<TrainingMetrics>> ListTrainingMetrics(const std::string& job);
  // Newest first.
  absl::StatusOr<std::vector<TrainingCheckpoint>> ListTrainingCheckpoints(const std::string& job);
  // The next version of its model, with the weights of `trainingJobs/ID/checkpoints/STEP`.
  absl::StatusOr<ModelVersion> PublishTrainingCheckpoint(const std::string& name);
  absl::Status DeleteTrainingCheckpoint(const std::string& name);
  absl::StatusOr<TrainingJob> CancelTrainingJob(const std::string& name);
  // One that is over or paused, with its events and checkpoints.
  absl::Status DeleteTrainingJob(const std::string& name);
  // Returns OK when the job is over, however it ended.
  absl::Status WatchTrainingJob(const std::string& name, const WatchOptions& options,
                                const WatchCallbacks& callbacks,
                                Cancellation* cancellation = nullptr);

  absl::StatusOr<Model> GetModel(const std::string& name);
  // All of them, by id.
  absl::StatusOr<std::vector<Model>> ListModels();
  // `models/ID/versions/N`, `models/ID/aliases/ALIAS`, or `models/ID` for the latest.
  absl::StatusOr<ModelVersion> GetModelVersion(const std::string& name);
  // All of a model, newest first.
  absl::StatusOr<std::vector<ModelVersion>> ListModelVersions(const std::string& model);
  // Makes or moves `models/ID/aliases/ALIAS` to what `model_version`, a name as in GetModelVersion
  // and of the same model, means now.
  absl::StatusOr<ModelAlias> SetModelAlias(const std::string& name,
                                           const std::string& model_version);
  absl::Status DeleteModelAlias(const std::string& name);
  // Hands the file of a version, named as in GetModelVersion, to `sink` in order; an error of its
  // ends the call. What was exported; DATA_LOSS when bytes are missing.
  absl::StatusOr<ModelVersion> ExportModel(const std::string& name, const ByteSink& sink,
                                           Cancellation* cancellation = nullptr);
  // Sends all of `source`, an exported file, in chunks as it is read. Nothing is stored unless all
  // of it arrived and is a model; the version that it became.
  absl::StatusOr<ModelVersion> ImportModel(const ImportModelOptions& options,
                                           const ByteSource& source,
                                           Cancellation* cancellation = nullptr);
  // `models/ID/versions/N`. Refused while aliases, sessions or jobs use it, unless `force`: then
  // its aliases go and its sessions end.
  absl::Status DeleteModelVersion(const std::string& name, bool force = false);
  // With all its versions; refused likewise.
  absl::Status DeleteModel(const std::string& name, bool force = false);

  // How probable a text is: reads all of `source` and sends it in parts, each after the one before
  // is scored.
  absl::StatusOr<ScoreTotals> ScoreText(const ScoreOptions& options, const ByteSource& source,
                                        const ScoreCallbacks& callbacks = {},
                                        Cancellation* cancellation = nullptr);

  // `model` is `models/ID`, `models/ID/versions/N` or `models/ID/aliases/ALIAS`.
  absl::StatusOr<Session> OpenSession(const std::string& model, const SessionOptions& options = {});
  absl::StatusOr<Session> GetSession(const std::string& name);
  // All of the caller's, by name.
  absl::StatusOr<std::vector<Session>> ListSessions();
  // A new session with the state of `name`, which stays as it is.
  absl::StatusOr<Session> ForkSession(const std::string& name, const ForkOptions& options = {});
  // Takes it back to one of Session::remembered; waits as long as the last call took to get there.
  absl::StatusOr<Session> RewindSession(const std::string& name, int64_t position);
  absl::Status CloseSession(const std::string& name);
  // Its state as bytes that ImportSession takes, there or at another server with the same model.
  absl::StatusOr<std::string> ExportSession(const std::string& name);
  // A new session from such bytes. `model` as in OpenSession; empty: the name that it had.
  absl::StatusOr<Session> ImportSession(const std::string& image, const std::string& model = "",
                                        const SessionOptions& options = {});
  // Text that goes on from a prompt, piece by piece as it is drawn; how it ended. Tried again, to
  // the same text, when the connection breaks.
  absl::StatusOr<GenerateEnd> Generate(const GenerateOptions& options,
                                       const GenerateCallbacks& callbacks,
                                       Cancellation* cancellation = nullptr);
  // `count` texts, 1 to 16, from one prompt: each in a session of its own, which stays unless a
  // model alone is named. Not tried again when the connection breaks.
  absl::Status GenerateContinuations(const GenerateOptions& options, int count,
                                     const ContinuationCallbacks& callbacks,
                                     Cancellation* cancellation = nullptr);

 private:
  explicit Client(std::unique_ptr<internal::Connection> connection);

  std::unique_ptr<internal::Connection> connection_;
};

}  // namespace derin::client
