#include "server/usage/usage_ledger.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace derin::server {

UsageLedger::UsageLedger(MetadataStore& store, ServerMetrics& metrics, MonotonicClock clock)
    : store_(store), metrics_(metrics), clock_(std::move(clock)) {}

absl::Status UsageLedger::Start() {
  const auto stored = store_.ListUsage();
  if (!stored.ok()) return stored.status();
  {
    absl::MutexLock writing(&writing_);
    absl::MutexLock lock(&mutex_);
    for (const StoredUsage& usage : *stored) {
      written_[usage.caller] = usage.figures;
      accounts_[usage.caller] = std::make_shared<CallerAccount>(clock_, usage.figures);
    }
  }
  BindMetrics();
  writer_ = std::thread([this] { WriteNowAndThen(); });
  return absl::OkStatus();
}

UsageLedger::~UsageLedger() {
  if (!writer_.joinable()) return;
  metrics_.usage_tokens.Unbind();
  metrics_.usage_seconds.Unbind();
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  writer_.join();
}

std::shared_ptr<CallerAccount> UsageLedger::Of(std::string_view caller) {
  absl::MutexLock lock(&mutex_);
  const auto found = accounts_.find(caller);
  if (found != accounts_.end()) return found->second;
  return accounts_.emplace(caller, std::make_shared<CallerAccount>(clock_)).first->second;
}

UsageLedger::Accounts UsageLedger::accounts() const {
  absl::MutexLock lock(&mutex_);
  return accounts_;
}

absl::StatusOr<UsageLedger::Usage> UsageLedger::Get(std::string_view caller) {
  UsageFigures figures;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = accounts_.find(caller);
    if (found != accounts_.end()) figures = found->second->figures();
  }
  return UsageOf(caller, figures);
}

absl::StatusOr<UsageLedger::Usage> UsageLedger::UsageOf(std::string_view caller,
                                                        const UsageFigures& figures) {
  const absl::StatusOr<int64_t> bytes = store_.StoredBytes(caller);
  if (!bytes.ok()) return bytes.status();
  return Usage{.caller = std::string(caller), .figures = figures, .stored_bytes = *bytes};
}

absl::StatusOr<Listing<UsageLedger::Usage>> UsageLedger::List(std::string_view after, int limit) {
  const Accounts all = accounts();
  std::vector<Usage> listed;
  for (auto one = all.upper_bound(after);
       one != all.end() && listed.size() <= static_cast<size_t>(limit); ++one) {
    absl::StatusOr<Usage> usage = UsageOf(one->first, one->second->figures());
    if (!usage.ok()) return usage.status();
    listed.push_back(*std::move(usage));
  }
  return MakeListing(std::move(listed), limit, [](const Usage& usage) { return usage.caller; });
}

absl::Status UsageLedger::Write() {
  absl::MutexLock writing(&writing_);
  std::vector<StoredUsage> changed;
  for (const auto& [caller, account] : accounts()) {
    const UsageFigures figures = account->figures();
    const auto before = written_.find(caller);
    if (before == written_.end() ? figures == UsageFigures() : figures == before->second) continue;
    changed.push_back({.caller = caller, .figures = figures});
  }
  if (changed.empty()) return absl::OkStatus();
  if (absl::Status put = store_.PutUsage(changed); !put.ok()) return put;
  for (const StoredUsage& usage : changed) written_[usage.caller] = usage.figures;
  return absl::OkStatus();
}

void UsageLedger::WriteNowAndThen() {
  bool stop = false;
  while (!stop) {
    {
      absl::MutexLock lock(&mutex_);
      stop = mutex_.AwaitWithTimeout(absl::Condition(&stop_), kWritePeriod);
    }
    if (const absl::Status written = Write(); !written.ok()) {
      spdlog::warn("What callers have used is not stored: {}", std::string(written.message()));
    }
  }
}

void UsageLedger::BindMetrics() {
  using Samples = std::vector<CallbackGauge::Sample>;
  metrics_.usage_tokens.Bind([this] {
    Samples samples;
    for (const auto& [caller, account] : accounts()) {
      const UsageFigures used = account->figures();
      const std::pair<const char*, int64_t> kinds[] = {{"prompt", used.prompt_tokens},
                                                       {"generated", used.generated_tokens},
                                                       {"scored", used.scored_tokens},
                                                       {"trained", used.trained_tokens}};
      for (const auto& [kind, tokens] : kinds) {
        samples.push_back({{caller, kind}, static_cast<double>(tokens)});
      }
    }
    return samples;
  });
  metrics_.usage_seconds.Bind([this] {
    Samples samples;
    for (const auto& [caller, account] : accounts()) {
      const UsageFigures used = account->figures();
      samples.push_back({{caller, "calls"}, absl::ToDoubleSeconds(used.call_time)});
      samples.push_back({{caller, "training"}, absl::ToDoubleSeconds(used.training_time)});
    }
    return samples;
  });
}

}  // namespace derin::server
