#include "server/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "model/backend/backend_list.h"
#include "model/backend/gpu_loader.h"
#include "server/channelz.h"
#include "server/connection_bounds.h"
#include "server/generation/generation_engine.h"
#include "server/generation/session_archive.h"
#include "server/generation/session_gauges.h"
#include "server/generation/session_housekeeper.h"
#include "server/generation/session_store.h"
#include "server/jobs/training_jobs.h"
#include "server/listen_address.h"
#include "server/logging/call_log.h"
#include "server/metrics/gpu_monitor.h"
#include "server/metrics/metrics_endpoint.h"
#include "server/metrics/server_metrics.h"
#include "server/options_check.h"
#include "server/registry/model_registry.h"
#include "server/rpc/admission.h"
#include "server/rpc/corpus_service.h"
#include "server/rpc/generation_service.h"
#include "server/rpc/model_service.h"
#include "server/rpc/server_service.h"
#include "server/rpc/training_service.h"
#include "server/security/callers.h"
#include "server/security/tls.h"
#include "server/security/token_processor.h"
#include "server/status/error.h"
#include "server/status_page/front_page.h"
#include "server/storage/blob_store.h"
#include "server/storage/data_directory.h"
#include "server/storage/metadata_store.h"
#include "server/storage/proto_time.h"
#include "server/storage/upload_store.h"
#include "server/usage/usage_ledger.h"

namespace derin::server {
namespace {

// What streams need to end at their next token.
constexpr absl::Duration kEndTime = absl::Seconds(2);
// What calls that have ended need to reach their clients; health watches never end by themselves.
constexpr absl::Duration kFlushTime = absl::Milliseconds(500);

// Before anything is made, so that a server that cannot listen leaves nothing behind.
absl::StatusOr<Addresses> CheckCanListenThere(const ServerOptions& options) {
  absl::StatusOr<Addresses> addresses = CheckAddresses(options);
  if (!addresses.ok()) return addresses.status();
  absl::Status status = OfFlag("--listen", CheckCanListen(addresses->grpc));
  if (status.ok() && addresses->metrics.has_value()) {
    status = OfFlag("--metrics-listen", CheckCanListen(*addresses->metrics));
  }
  if (!status.ok()) return status;
  return addresses;
}

// Versions are loaded for as many rows as the engine steps at once. On the processor larger steps
// are no quicker; a GPU has not enough to do with so few.
int StepRows(const Backend& backend, const ServerOptions& options) {
  return std::min(options.max_streams, backend.capabilities().synchronous ? 256 : 1024);
}

v1::Limits LimitsOf(const ServerOptions& options) {
  v1::Limits limits;
  limits.set_sessions(static_cast<int32_t>(options.max_sessions));
  limits.set_generate_streams(options.max_streams);
  limits.set_queued_training_jobs(options.max_queued_jobs);
  limits.set_running_training_jobs(options.max_running_jobs);
  limits.set_corpus_bytes(options.max_corpus_bytes);
  limits.set_model_bytes(options.max_model_bytes);
  limits.set_prompt_bytes(options.max_prompt_bytes);
  *limits.mutable_session_time_to_live() = ToProtoDuration(options.session_time_to_live);
  return limits;
}

// What options.device names; says why that is no GPU where it could have been one.
absl::StatusOr<ChosenBackend> MakeBackend(const ServerOptions& options,
                                          const DataDirectory& directory) {
  absl::StatusOr<ChosenBackend> chosen =
      ChooseBackend(options.device, options.threads, [&](int gpu) {
        return NewGpuBackend({.ordinal = gpu, .measurements = directory.gpu_measurements()});
      });
  if (!chosen.ok()) {
    return OfFlag(absl::StrCat("--device ", options.device), chosen.status());
  }
  if (!chosen->why_no_gpu.empty()) {
    spdlog::info("{}: running on the {}", chosen->why_no_gpu,
                 chosen->backend->capabilities().backend);
  }
  return chosen;
}

// Null, with a line in the log, where NVML does not work.
std::unique_ptr<GpuMonitor> NewGpuMonitor(int gpu) {
  absl::StatusOr<NvmlCalls> calls = LoadNvml();
  absl::StatusOr<std::unique_ptr<GpuMonitor>> monitor =
      calls.ok() ? GpuMonitor::Open(*calls, gpu) : calls.status();
  if (monitor.ok()) return *std::move(monitor);
  spdlog::info("No figures of the GPU itself: {}", std::string(monitor.status().message()));
  return nullptr;
}

}  // namespace

std::string Version() { return DERIN_VERSION; }

// In the order in which they are made; each may use those above it.
struct Server::Parts {
  // Recovered from what an earlier server left, and working, but for nobody yet.
  static absl::StatusOr<std::unique_ptr<Parts>> Make(const ServerOptions& options,
                                                     std::unique_ptr<Backend> backend,
                                                     std::unique_ptr<Callers> callers);

  Parts(const ServerOptions& options, std::unique_ptr<Backend> backend,
        std::unique_ptr<Callers> callers, DataDirectory directory,
        std::unique_ptr<MetadataStore> store, std::unique_ptr<SessionArchive> archive);

  absl::Status StartWork(const ServerOptions& options);
  void PublishFacts();
  absl::Status Listen(const Addresses& addresses, const ServerOptions& options);
  absl::Status ListenForMetrics(const ListenAddress& address);
  absl::Status ListenForCalls(ListenAddress address, const ServerOptions& options);
  std::shared_ptr<grpc::ServerCredentials> Credentials(const ListenAddress& address);
  void SetReady(bool ready);
  v1::Load Load();

  ServerMetrics metrics;
  const std::unique_ptr<Backend> backend;
  const std::unique_ptr<Callers> callers;  // null: everybody
  const DataDirectory directory;
  const std::unique_ptr<MetadataStore> store;
  UsageLedger usage;
  BlobStore blobs;
  UploadStore uploads;
  const std::unique_ptr<SessionArchive> archive;
  ModelRegistry registry;
  TrainingJobs jobs;
  SessionStore sessions;
  const absl::Time start_time = absl::Now();
  std::unique_ptr<GenerationEngine> engine;  // made by StartWork
  CallLog call_log;
  Admission admission;
  CorpusService corpus_service;
  TrainingService training_service;
  std::optional<ModelService> model_service;            // with the engine
  std::optional<GenerationService> generation_service;  // likewise
  ServerService server_service;
  std::optional<SessionHousekeeper> housekeeper;
  const TlsFiles tls;
  std::unique_ptr<GpuMonitor> gpu_monitor;  // null where there is none
  std::unique_ptr<MetricsEndpoint> metrics_endpoint;
  std::string metrics_address;
  std::unique_ptr<grpc::Server> grpc_server;  // null once shut down
  std::unique_ptr<grpc::Server> channelz;     // null where it is not wanted
  std::string address;
};

absl::StatusOr<std::unique_ptr<Server::Parts>> Server::Parts::Make(
    const ServerOptions& options, std::unique_ptr<Backend> backend,
    std::unique_ptr<Callers> callers) {
  // Before the data directory is made, in which a GPU looks for what was measured on it.
  if (backend == nullptr) {
    const absl::Status device = CheckDevice(options.device, options.threads);
    if (!device.ok()) return OfFlag(absl::StrCat("--device ", options.device), device);
  }
  absl::StatusOr<DataDirectory> directory = DataDirectory::Open(options.data_directory);
  if (!directory.ok()) return directory.status();
  std::unique_ptr<GpuMonitor> monitor;
  if (backend == nullptr) {
    absl::StatusOr<ChosenBackend> made = MakeBackend(options, *directory);
    if (!made.ok()) return made.status();
    backend = std::move(made->backend);
    if (made->gpu.has_value()) monitor = NewGpuMonitor(*made->gpu);
  }
  absl::StatusOr<std::unique_ptr<MetadataStore>> store =
      MetadataStore::Open(directory->metadata_file());
  if (!store.ok()) return store.status();
  auto archive = SessionArchive::Open(
      directory->sessions(),
      {.host_bytes = options.session_memory, .disk_bytes = options.session_disk}, absl::Now());
  if (!archive.ok()) return archive.status();
  for (const std::string& damage : (*archive)->damage()) spdlog::error("{}", damage);
  auto parts =
      std::make_unique<Parts>(options, std::move(backend), std::move(callers),
                              *std::move(directory), *std::move(store), *std::move(archive));
  if (monitor != nullptr) monitor->BindTo(parts->metrics);
  parts->gpu_monitor = std::move(monitor);
  if (absl::Status status = parts->StartWork(options); !status.ok()) return status;
  return parts;
}

Server::Parts::Parts(const ServerOptions& options, std::unique_ptr<Backend> the_backend,
                     std::unique_ptr<Callers> the_callers, DataDirectory the_directory,
                     std::unique_ptr<MetadataStore> the_store,
                     std::unique_ptr<SessionArchive> the_archive)
    : backend(std::move(the_backend)),
      callers(std::move(the_callers)),
      directory(std::move(the_directory)),
      store(std::move(the_store)),
      usage(*store, metrics),
      blobs(directory.blobs()),
      uploads(*store, directory.uploads(), &absl::Now),
      archive(std::move(the_archive)),
      registry(*backend, *store, blobs,
               {.weights_memory_bytes = options.weights_memory,
                .max_rows = StepRows(*backend, options)}),
      jobs({*backend, *store, blobs, registry, metrics, &usage},
           {.max_queued_jobs = options.max_queued_jobs,
            .max_running_jobs = options.max_running_jobs}),
      sessions(*backend, *archive,
               [this](std::string_view name, std::string_view field) {
                 return registry.Resolve(name, field);
               },
               store->server_id(),
               {.max_sessions = options.max_sessions,
                .device_bytes = options.session_device_memory,
                .time_to_live = options.session_time_to_live}),
      admission(metrics, callers.get(), &usage, &call_log, {options.max_streams_per_caller}),
      corpus_service(admission, *store, blobs, uploads, options.max_corpus_bytes),
      training_service(admission, jobs),
      server_service(admission, *backend, usage,
                     {.version = Version(),
                      .server_id = store->server_id(),
                      .start_time = start_time,
                      .limits = LimitsOf(options)},
                     [this] { return Load(); }),
      tls(TlsFilesOf(options)) {}

absl::Status Server::Parts::StartWork(const ServerOptions& options) {
  if (absl::Status status = usage.Start(); !status.ok()) return status;
  if (absl::Status status = uploads.Recover(); !status.ok()) return status;
  absl::StatusOr<int64_t> swept = blobs.Sweep([this] { return store->DigestsInUse(); });
  if (!swept.ok()) return swept.status();
  absl::StatusOr<std::unique_ptr<GenerationEngine>> made = GenerationEngine::Create(
      *backend, sessions, metrics,
      {.max_streams = options.max_streams, .max_rows = StepRows(*backend, options)});
  if (!made.ok()) return made.status();
  engine = *std::move(made);
  model_service.emplace(admission, *store, blobs, options.max_model_bytes,
                        ScoreReactor::Parts{.sessions = sessions,
                                            .engine = *engine,
                                            .threads = admission.threads(),
                                            .max_text_bytes = options.max_prompt_bytes});
  generation_service.emplace(
      admission, sessions, *engine,
      GenerationService::Limits{.max_prompt_bytes = options.max_prompt_bytes,
                                .time_to_live = options.session_time_to_live});
  housekeeper.emplace(sessions, *archive, absl::Seconds(10), [this] {
    if (const auto gone = uploads.RemoveAbandoned().status(); !gone.ok()) {
      spdlog::warn("Cannot remove abandoned uploads: {}", std::string(gone.message()));
    }
  });
  PublishFacts();
  // Before anybody is told that the server is ready, and before a training takes the device.
  if (absl::Status warm = registry.WarmUp().status(); !warm.ok()) return warm;
  return jobs.Start();
}

void Server::Parts::PublishFacts() {
  metrics.build_info.Set({Version()}, 1);
  metrics.device_info.Set({backend->capabilities().backend, backend->capabilities().device,
                           backend->EngineId(Precision::kF32)},
                          1);
  // Nobody scrapes before or after the endpoint, which lives shorter than these.
  using Samples = std::vector<CallbackGauge::Sample>;
  metrics.device_memory_bytes.Bind([this] {
    return Samples{{{"free"}, static_cast<double>(backend->FreeBytes())},
                   {{"total"}, static_cast<double>(backend->capabilities().memory_bytes)}};
  });
  metrics.device_turn_seconds.Bind([this] {
    const auto time = backend->TimeOnDevice();
    if (!time.has_value()) return Samples();
    return Samples{{{"training"}, absl::ToDoubleSeconds(time->training)},
                   {{"generation"}, absl::ToDoubleSeconds(time->generation)}};
  });
  metrics.device_lost.BindValue([this] { return backend->health().ok() ? 0.0 : 1.0; });
  metrics.data_disk_bytes.Bind([this] {
    std::error_code error;
    const std::filesystem::space_info space = std::filesystem::space(directory.path(), error);
    if (error) return Samples();
    return Samples{{{"free"}, static_cast<double>(space.available)},
                   {{"total"}, static_cast<double>(space.capacity)}};
  });
  BindSessionGauges(metrics, sessions);
}

v1::Load Server::Parts::Load() {
  v1::Load load;
  const JobLedger::Counts counts = jobs.Count().value_or(JobLedger::Counts());
  load.set_running_training_jobs(counts.running + counts.cancelling);
  load.set_queued_training_jobs(counts.queued);
  load.set_sessions(static_cast<int32_t>(sessions.counts().sessions));
  load.set_generate_streams(engine->streams());
  load.set_trained_tokens_per_second(metrics.trained_tokens_rate.PerSecond());
  load.set_generated_tokens_per_second(metrics.generated_tokens_rate.PerSecond());
  return load;
}

absl::Status Server::Parts::Listen(const Addresses& addresses, const ServerOptions& options) {
  if (addresses.metrics.has_value()) {
    if (absl::Status status = ListenForMetrics(*addresses.metrics); !status.ok()) return status;
  }
  if (absl::Status status = ListenForCalls(addresses.grpc, options); !status.ok()) return status;
  if (addresses.channelz.has_value()) {
    absl::StatusOr<std::unique_ptr<grpc::Server>> started = StartChannelz(*addresses.channelz);
    if (!started.ok()) return started.status();
    channelz = *std::move(started);
  }
  SetReady(true);
  backend->OnLost([this](const absl::Status& health) {
    spdlog::critical("{}", std::string(DeviceLost(health).message()));
    SetReady(false);
  });
  return absl::OkStatus();
}

absl::Status Server::Parts::ListenForMetrics(const ListenAddress& address) {
  const PageAccess access{.callers = callers.get(),
                          .callers_are_known = callers != nullptr || !tls.client_ca.empty(),
                          .remote = !IsLocal(address)};
  absl::StatusOr<std::unique_ptr<MetricsEndpoint>> endpoint = MetricsEndpoint::Start(
      address.ToString(), metrics.all,
      MakeFrontPage(access,
                    {*backend, metrics, *store, jobs, sessions, *engine, Version(), start_time},
                    [this] { return admission.draining(); }));
  if (!endpoint.ok()) return endpoint.status();
  metrics_endpoint = *std::move(endpoint);
  ListenAddress served = address;
  served.port = metrics_endpoint->port();
  metrics_address = served.ToString();
  return absl::OkStatus();
}

absl::Status Server::Parts::ListenForCalls(ListenAddress listen, const ServerOptions& options) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  // Else a second server would share the port, and calls would go to either.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  BoundConnections(options, builder);
  int port = 0;
  builder.AddListeningPort(listen.ToString(), Credentials(listen), &port);
  builder.RegisterService(&corpus_service);
  builder.RegisterService(&*model_service);
  builder.RegisterService(&training_service);
  builder.RegisterService(&*generation_service);
  builder.RegisterService(&server_service);
  grpc_server = builder.BuildAndStart();
  if (grpc_server == nullptr || port == 0) {
    // Free a moment ago: somebody was quicker, and can be named now.
    absl::Status status = CheckCanListen(listen);
    return status.ok()
               ? absl::UnavailableError(absl::StrCat("cannot listen on ", listen.ToString()))
               : status;
  }
  if (!listen.is_unix()) listen.port = port;
  address = listen.ToString();
  return absl::OkStatus();
}

std::shared_ptr<grpc::ServerCredentials> Server::Parts::Credentials(const ListenAddress& listen) {
  if (tls.empty() && callers == nullptr) return grpc::InsecureServerCredentials();
  std::shared_ptr<grpc::ServerCredentials> credentials =
      tls.empty() ? grpc::experimental::LocalServerCredentials(listen.is_unix() ? UDS : LOCAL_TCP)
                  : NewTlsCredentials(tls);
  if (callers != nullptr) {
    credentials->SetAuthMetadataProcessor(
        std::make_shared<TokenProcessor>(*callers, metrics, call_log));
  }
  return credentials;
}

void Server::Parts::SetReady(bool ready) {
  grpc::HealthCheckServiceInterface& health = *grpc_server->GetHealthCheckService();
  for (const char* service :
       {v1::CorpusService::service_full_name(), v1::ModelService::service_full_name(),
        v1::TrainingService::service_full_name(), v1::GenerationService::service_full_name(),
        v1::ServerService::service_full_name()}) {
    health.SetServingStatus(service, ready);
  }
  health.SetServingStatus(ready);
  if (metrics_endpoint != nullptr) metrics_endpoint->SetReady(ready);
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      std::unique_ptr<Backend> backend) {
  absl::StatusOr<Addresses> addresses = CheckCanListenThere(options);
  if (!addresses.ok()) return addresses.status();
  std::unique_ptr<Callers> callers;
  if (!options.tokens.empty()) {
    absl::StatusOr<std::unique_ptr<Callers>> loaded = Callers::Load(options.tokens);
    if (!loaded.ok()) return loaded.status();
    callers = *std::move(loaded);
  }
  absl::StatusOr<std::unique_ptr<Parts>> parts =
      Parts::Make(options, std::move(backend), std::move(callers));
  if (!parts.ok()) return parts.status();
  std::unique_ptr<Server> server(new Server(*std::move(parts)));
  if (absl::Status status = server->parts_->Listen(*addresses, options); !status.ok())
    return status;
  return server;
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() { Shutdown(absl::ZeroDuration()); }

const std::string& Server::address() const { return parts_->address; }
const std::string& Server::metrics_address() const { return parts_->metrics_address; }

std::string Server::Device() const {
  const Capabilities& capabilities = parts_->backend->capabilities();
  return absl::StrCat(capabilities.backend, " (", capabilities.device, "), ",
                      capabilities.instructions, capabilities.instructions.empty() ? "" : ", ",
                      capabilities.threads, capabilities.threads == 1 ? " thread" : " threads",
                      ", engine ", parts_->backend->EngineId(Precision::kF32));
}

void Server::Shutdown(absl::Duration grace) {
  Parts& parts = *parts_;
  if (parts.grpc_server == nullptr) return;
  parts.backend->OnLost(nullptr);
  parts.SetReady(false);
  parts.admission.StartDraining();
  parts.admission.AwaitIdle(absl::Now() + grace);
  // Streams that are left end with their position; a client that does not read is not waited for.
  const bool streaming = parts.engine->streams() > 0;
  parts.engine->EndAll();
  if (streaming) parts.admission.AwaitIdle(absl::Now() + kEndTime);
  // After that watchers know that their jobs wait again.
  parts.jobs.Stop();
  parts.training_service.StopWatching();
  parts.grpc_server->Shutdown(std::chrono::system_clock::now() +
                              absl::ToChronoMilliseconds(kFlushTime));
  parts.grpc_server.reset();
}

absl::StatusOr<size_t> Server::ReloadTokens() {
  if (parts_->callers == nullptr) return 0;
  if (absl::Status status = parts_->callers->Reload(); !status.ok()) return status;
  return parts_->callers->size();
}

void Server::Hurry() { parts_->admission.StopWaiting(); }

}  // namespace derin::server
