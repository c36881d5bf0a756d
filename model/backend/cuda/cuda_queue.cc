#include "model/backend/cuda/cuda_queue.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_format.h"
#include "model/backend/cuda/branch.h"

namespace derin::cuda {

absl::StatusOr<std::unique_ptr<CudaQueue>> CudaQueue::Create(std::shared_ptr<Device> device,
                                                             QueuePriority priority) {
  auto queue = std::unique_ptr<CudaQueue>(new CudaQueue(std::move(device), priority));
  if (absl::Status status = queue->Prepare(); !status.ok()) return status;
  return queue;
}

CudaQueue::CudaQueue(std::shared_ptr<Device> device, QueuePriority priority)
    : device_(std::move(device)), priority_(priority) {}

absl::Status CudaQueue::Prepare() {
  if (absl::Status status = device_->Enter(); !status.ok()) return status;
  const RuntimeCalls& runtime = device_->calls().runtime;
  const CudnnCalls& cudnn = device_->calls().cudnn;
  Attempt attempt(*device_);
  const int number = priority_ == QueuePriority::kGeneration ? device_->priority_of_generation()
                                                             : device_->priority_of_training();
  // Non-blocking: no implicit order with the legacy stream, which others in the process may use.
  attempt.Make(
      stream_, "cudaStreamCreateWithPriority",
      [&](cudaStream_t* made) {
        return runtime.StreamCreateWithPriority(made, cudaStreamNonBlocking, number);
      },
      runtime.StreamDestroy);
  const auto make_event = [&](cudaEvent_t* made) {
    return runtime.EventCreateWithFlags(made, cudaEventDisableTiming);
  };
  const auto make_events = [&](Owned<cudaEvent_t>& event) {
    if (!attempt.status().ok()) return;
    attempt.Make(event, "cudaEventCreateWithFlags", make_event, runtime.EventDestroy);
  };
  for (auto& event : events_) make_events(event);
  for (auto& event : stage_free_) make_events(event);
  if (!attempt.status().ok()) return attempt.status();
  attempt.Make(cudnn_, "cudnnCreate", cudnn.Create, cudnn.Destroy) &&
      attempt(cudnn.SetStream(cudnn_.get(), stream_.get()), "cudnnSetStream");
  if (!attempt.status().ok()) return attempt.status();

  auto products = MatrixProducts::Create(*device_);
  if (!products.ok()) return products.status();
  products_ = *std::move(products);
  for (const auto& [buffer, bytes] :
       {std::pair{&stages_, kStages * kStageBytes}, std::pair{&fault_, sizeof(FaultWord)}}) {
    auto made = device_->AllocateOnHost(ElementType::kByte, bytes);
    if (!made.ok()) return made.status();
    *buffer = *std::move(made);
  }
  return absl::OkStatus();
}

CudaQueue::~CudaQueue() {
  // Memory that the work still reads goes away with the queue.
  if (stream_ != nullptr) AwaitStreams();
}

void CudaQueue::AwaitStreams() {
  if (!device_->Enter().ok()) return;
  const RuntimeCalls& runtime = device_->calls().runtime;
  for (cudaStream_t one : {stream(), branch_ == nullptr ? nullptr : branch_->stream()}) {
    if (one == nullptr) continue;
    // Whoever waits has an error already, or is no more; the device learns whether it is lost.
    device_->Check(runtime.StreamSynchronize(one), "cudaStreamSynchronize").IgnoreError();
  }
}

bool CudaQueue::Begin() {
  if (BeginBeside()) Join();
  return status_.ok();
}

bool CudaQueue::BeginBeside() {
  if (status_.ok()) Fail(device_->Enter());
  return status_.ok();
}

Branch* CudaQueue::Fork() {
  if (branch_ == nullptr && status_.ok()) {
    // Not while the queue is captured: what is recorded has run before.
    auto branch = Branch::Create(*this, priority_);
    if (branch.ok()) {
      branch_ = *std::move(branch);
    } else {
      Fail(branch.status());
    }
  }
  if (!status_.ok()) return nullptr;
  branch_->Fork();
  forked_ = true;
  return branch_.get();
}

void CudaQueue::Join() {
  if (!forked_) return;
  forked_ = false;
  branch_->Join();
}

void CudaQueue::Fail(absl::Status status) {
  if (status_.ok()) status_ = std::move(status);
}

Queue::Ticket CudaQueue::Signal() {
  const Ticket ticket = tickets_++;
  if (Begin()) {
    Try(device_->calls().runtime.EventRecord(events_[ticket % kEvents].get(), stream()),
        "cudaEventRecord");
  }
  return ticket;
}

absl::Status CudaQueue::Wait(Ticket ticket) {
  // The event of an older ticket is another one's by now, whose work comes after.
  if (Begin() && Try(device_->calls().runtime.EventSynchronize(events_[ticket % kEvents].get()),
                     "cudaEventSynchronize")) {
    ReadFault();
  } else {
    // What was enqueued before the failure still works, and the caller is about to let go of it.
    AwaitStreams();
  }
  return status_;
}

void CudaQueue::ReadFault() {
  const FaultWord fault = *const_cast<volatile FaultWord*>(this->fault());
  const int32_t value = ValueOfFault(fault);
  switch (KindOfFault(fault)) {
    case FaultKind::kNone:
      return;
    case FaultKind::kTarget:
      return Fail(absl::InvalidArgumentError(
          absl::StrFormat("got target %d, wanted a token of the vocabulary or -1", value)));
    case FaultKind::kToken:
      return Fail(absl::InvalidArgumentError(
          absl::StrFormat("got token %d, wanted one of the vocabulary", value)));
    case FaultKind::kStart:
      return Fail(absl::InvalidArgumentError(
          absl::StrFormat("got a window from token %d on, which the corpus does not hold", value)));
  }
}

void CudaQueue::Multiply(const MatrixProduct& product) {
  if (status_.ok()) Fail(products_->Enqueue(product, stream()));
}

void CudaQueue::Upload(const void* from, void* to, size_t bytes) {
  if (bytes == 0) return;
  const RuntimeCalls& runtime = device_->calls().runtime;
  if (bytes > kStageBytes) {
    Try(runtime.MemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream()),
        "cudaMemcpyAsync") &&
        Try(runtime.StreamSynchronize(stream()), "cudaStreamSynchronize");
    return;
  }
  const auto stage = static_cast<int>(uploads_++ % kStages);
  const cudaEvent_t free = stage_free_[stage].get();
  // An event that was never recorded counts as done.
  if (!Try(runtime.EventSynchronize(free), "cudaEventSynchronize")) return;
  std::byte* staged = stages_.view().As<std::byte>() + stage * kStageBytes;
  std::memcpy(staged, from, bytes);
  Launch(CopyBytes{.from = staged, .to = to, .bytes = static_cast<int64_t>(bytes)}) &&
      Try(runtime.EventRecord(free, stream()), "cudaEventRecord");
}

void* CudaQueue::Scratch(size_t bytes) {
  if (!status_.ok()) return nullptr;
  if (!scratch_.empty() && scratch_.back().view().bytes() >= bytes) {
    return scratch_.back().view().data;
  }
  // At least doubled, so that all that an operation of growing sizes leaves behind is at most what
  // it has. While the queue is captured the runtime refuses to allocate.
  const size_t doubled = scratch_.empty() ? 0 : 2 * scratch_.back().view().bytes();
  auto buffer = device_->Allocate(ElementType::kByte, std::max(bytes, doubled));
  if (!buffer.ok()) {
    Fail(buffer.status());
    return nullptr;
  }
  scratch_.push_back(*std::move(buffer));
  return scratch_.back().view().data;
}

}  // namespace derin::cuda
