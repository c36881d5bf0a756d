#include "server/jobs/device_shares.h"

#include <algorithm>
#include <utility>

namespace derin::server {

DeviceShares::Seat::Seat(DeviceShares& shares, int share)
    : shares_(shares), member_(shares.Add(share)) {}

DeviceShares::Seat::~Seat() { shares_.Remove(member_); }

void DeviceShares::Seat::Join() {
  absl::MutexLock lock(&shares_.mutex_);
  shares_.JoinLine(*member_);
}

bool DeviceShares::Seat::Begin() { return shares_.Begin(*member_); }

bool DeviceShares::Seat::MayBegin() const {
  absl::MutexLock lock(&shares_.mutex_);
  return shares_.holder_ == &*member_ || shares_.IsNext(*member_);
}

bool DeviceShares::Seat::TurnIsOver() { return shares_.TurnIsOver(*member_); }

void DeviceShares::Seat::PassOn() {
  absl::MutexLock lock(&shares_.mutex_);
  shares_.EndTurn(*member_);
  shares_.JoinLine(*member_);
}

void DeviceShares::Seat::End() {
  absl::MutexLock lock(&shares_.mutex_);
  shares_.EndTurn(*member_);
  member_->waits = false;
}

void DeviceShares::Seat::SetShare(int share) { shares_.SetShare(*member_, share); }

void DeviceShares::Seat::Interrupt() {
  absl::MutexLock lock(&shares_.mutex_);
  member_->interrupted = true;
}

DeviceShares::DeviceShares(MonotonicClock clock) : clock_(std::move(clock)) {}

std::list<DeviceShares::Member>::iterator DeviceShares::Add(int share) {
  absl::MutexLock lock(&mutex_);
  return members_.insert(members_.end(), Member{.share = static_cast<double>(share)});
}

void DeviceShares::Remove(std::list<Member>::iterator member) {
  absl::MutexLock lock(&mutex_);
  if (holder_ == &*member) holder_ = nullptr;
  members_.erase(member);
}

const DeviceShares::Member* DeviceShares::Earliest() const {
  const Member* earliest = nullptr;
  for (const Member& member : members_) {
    if (!member.waits) continue;
    if (earliest == nullptr || member.virtual_seconds < earliest->virtual_seconds) {
      earliest = &member;
    }
  }
  return earliest;
}

void DeviceShares::Charge() {
  const absl::Duration now = clock_();
  holder_->virtual_seconds += absl::ToDoubleSeconds(now - charged_until_) / holder_->share;
  charged_until_ = now;
}

void DeviceShares::BeginTurn() {
  turn_began_ = charged_until_;
  turn_virtual_ = holder_->virtual_seconds;
}

bool DeviceShares::IsNext(const Member& member) const {
  return holder_ == nullptr && Earliest() == &member;
}

void DeviceShares::JoinLine(Member& member) {
  if (member.waits || holder_ == &member) return;
  member.virtual_seconds = std::max(member.virtual_seconds, turn_virtual_);
  member.waits = true;
}

bool DeviceShares::Begin(Member& member) {
  absl::MutexLock lock(&mutex_);
  if (holder_ == &member) return true;
  JoinLine(member);
  const auto may_go = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return member.interrupted || IsNext(member);
  };
  mutex_.Await(absl::Condition(&may_go));
  if (std::exchange(member.interrupted, false)) return false;
  member.waits = false;
  holder_ = &member;
  charged_until_ = clock_();
  BeginTurn();
  return true;
}

bool DeviceShares::TurnIsOver(Member& member) {
  absl::MutexLock lock(&mutex_);
  if (holder_ != &member) return false;
  Charge();
  if (charged_until_ - turn_began_ < kTurn) return false;
  const Member* next = Earliest();
  if (next != nullptr && next->virtual_seconds < member.virtual_seconds) return true;
  BeginTurn();
  return false;
}

void DeviceShares::EndTurn(Member& member) {
  if (holder_ != &member) return;
  Charge();
  holder_ = nullptr;
}

void DeviceShares::SetShare(Member& member, int share) {
  absl::MutexLock lock(&mutex_);
  if (holder_ == &member) Charge();
  member.share = share;
}

}  // namespace derin::server
