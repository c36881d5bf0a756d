#pragma once

#include <string_view>

#include "model/backend/queue.h"
#include "model/backend/stack_config.h"
#include "model/backend/view.h"

namespace derin {

enum class ForwardMode {
  kTraining,  // keeps what Backward needs
  kInference,
};

// Where a step stands in a run of steps of the same rows in the same slots of the same pool; nobody
// else reads or writes the states in these slots meanwhile. A run of one by default.
struct StepOfRun {
  bool first = true;
  bool last = true;
};

// The recurrent layers of one model on one device:
//   H_t^(l) = phi_l( H_t^(l-1) W_xh^(l) + H_{t-1}^(l) W_hh^(l) + b_h^(l) ),   H_t^(0) = X_t
//   one-hot, or its row of the embedding.
// In training H_t^(l-1) may lose a share on its way to layer l > 1: see dropout.h.
// Owns its packed weights, workspace and reserve, sized by the StackExtent it was made with; does
// the token look-up itself. One queue uses it at a time. Real elements have the type
// StateType(config.precision).
class RecurrentStack {
 public:
  virtual ~RecurrentStack() = default;

  virtual const StackConfig& config() const = 0;
  // What the backend has chosen by measurement, for Backend::NewStack to take again: with another
  // choice the bits differ. Empty where there is nothing to choose.
  virtual std::string_view choice() const { return ""; }

  // Takes the weights from `parameters`, laid out as StackSlices. Needed before first use and after
  // every change. A stack for training may go on reading them there.
  virtual void SetParameters(Queue& queue, View parameters) = 0;

  // `tokens` i32 [T, B] in [0, V), `state_in` and `state_out` [S, L, B, H], which must differ,
  // `top` [T*B, H], the top layer's h. `dropout` i64 [2], the seed and the number of the training's
  // step, is read where the extent has dropout and the mode is kTraining; Backward reads it too.
  virtual void Forward(Queue& queue, ForwardMode mode, int steps, int batch, View tokens,
                       View state_in, View state_out, View top, View dropout) = 0;
  void Forward(Queue& queue, ForwardMode mode, int steps, int batch, View tokens, View state_in,
               View state_out, View top) {
    Forward(queue, mode, steps, batch, tokens, state_in, state_out, top, View{});
  }

  // Gradients with respect to the parameters, through the last Forward(kTraining), whose `state_in`
  // and `top` are still as they were, from `d_top` [T*B, H]; no gradient flows into state_in.
  // Writes (not adds to) all of `gradients`, laid out as StackSlices. `loss_scale` is that of
  // UpdateViews: on the way back all is as many times as large, and not in `gradients` any more.
  // With a tied head the embedding's are added to, which are the head's already.
  virtual void Backward(Queue& queue, View d_top, View loss_scale, View gradients) = 0;

  // One step of N independent sequences. Row i absorbs tokens[i] into the state in slot slots[i] of
  // `pool` [slots, L, S, H] and leaves its top h in top[i]; `tokens` and `slots` i32 [N], `top` [N,
  // H]. A row with a negative slot is padding: nothing of it is read or written. Slots of a call
  // are distinct. All old states are read before a new one is written, so a failure leaves all as
  // they were. The result of a row does not depend on the other rows, bit for bit, and equals
  // Forward's as Capabilities::step_equals_forward says. Until the last step of a run the pool may
  // go on having the states from before the first.
  virtual void Step(Queue& queue, View tokens, View slots, View pool, View top, StepOfRun of) = 0;
  void Step(Queue& queue, View tokens, View slots, View pool, View top) {
    Step(queue, tokens, slots, pool, top, StepOfRun{});
  }
};

}  // namespace derin
