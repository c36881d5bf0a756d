#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/backend/backend.h"

namespace derin {

// A stack whose tokens go through a learned embedding E [V, embedding], over one of `backend` that
// has them one-hot. The first layer's weights there are W_ih E^T [G*H, V], made anew with every
// SetParameters: looking a token up gives what its embedding adds to the gates, so a step costs
// what it does without one, and the backend computes all else as it is. On the way back the
// gradient of that product becomes those of its factors.
//
// Backend::NewStack and Backend::Plan of a configuration with an embedding.
absl::StatusOr<std::unique_ptr<RecurrentStack>> NewEmbeddedStack(Backend& backend,
                                                                 const StackConfig& config,
                                                                 const StackExtent& extent,
                                                                 std::string_view saved_choice);
StackPlan PlanEmbeddedStack(const Backend& backend, const StackConfig& config,
                            const StackExtent& extent);

}  // namespace derin
