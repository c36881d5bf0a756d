#pragma once

#include <string_view>

#include "derin/v1/training.pb.h"

namespace derin::server {

// QUEUED -> RUNNING -> SUCCEEDED | FAILED | CANCELLED; QUEUED -> CANCELLED;
// RUNNING -> CANCELLING -> CANCELLED; RUNNING -> QUEUED when the server stops or was restarted.
bool CanBecome(v1::TrainingJob::State from, v1::TrainingJob::State to);

// `QUEUED` for STATE_QUEUED, and so on; in lower case it is the label of metrics.
std::string_view StateName(v1::TrainingJob::State state);

}  // namespace derin::server
