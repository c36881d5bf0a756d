// oneDNN runs the bare stacked LSTM: forward for training and backward, neither head nor optimiser.
//
// The options and the protocol are those of README.md. In oneDNN's favour nothing is counted but
// the primitives and the clearing of the gradients that they add to: the weights, which a real
// training step changes, are brought into the layouts of the forward and the backward primitive
// once.

#include <omp.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"

namespace {

using dnnl::memory;
using Arguments = std::unordered_map<int, memory>;
using Clock = std::chrono::steady_clock;

constexpr int kUnsupported = 3;
constexpr int kGates = 4;

struct Options {
  std::map<std::string, int64_t> numbers = {{"layers", 2}, {"hidden", 256}, {"vocabulary", 28},
                                            {"batch", 32}, {"steps", 35},   {"threads", 2}};
  bool lstm = true;
  bool bf16 = false;
};

Options ParseOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = std::strncmp(argv[i], "--", 2) == 0 ? argv[i] + 2 : "";
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    if (name == "cell") {
      options.lstm = value == "lstm";
      continue;
    }
    if (name == "precision" && (value == "f32" || value == "bf16")) {
      options.bf16 = value == "bf16";
      continue;
    }
    const auto number = options.numbers.find(name);
    if (number == options.numbers.end()) {
      throw std::invalid_argument("got '" + std::string(argv[i]) + " " + value +
                                  "', want --cell lstm, --precision f32|bf16, or a number for "
                                  "--layers, --hidden, --vocabulary, --batch, --steps, --threads");
    }
    char* end = nullptr;
    number->second = std::strtoll(value.c_str(), &end, 10);
    if (*end != '\0' || number->second < 1) {
      throw std::invalid_argument("--" + name + ": got '" + value + "', want a positive number");
    }
  }
  return options;
}

// A run of layers that take input of one width, as one pair of primitives. oneDNN wants all layers
// of a primitive to have equal inputs, so a network is one of these for the first layer and one for
// the others.
class Stack {
 public:
  struct Shape {
    int64_t layers, steps, batch, inputs, hidden;
    memory::data_type type;
  };

  Stack(const dnnl::engine& engine, const Shape& shape, const memory& input, std::mt19937& random);

  // Reads the input, leaves the output in output() and the states where the next call finds them.
  void Forward(dnnl::stream& stream);
  // Reads the output's gradient, leaves the input's in input_gradient().
  void Backward(dnnl::stream& stream);

  const memory& output() const { return output_; }
  const memory& input_gradient() const { return input_gradient_; }
  // Where Backward() finds the gradient: f32 [steps, batch, hidden].
  void SetOutputGradient(const memory& gradient);

 private:
  using ForwardPrimitive = dnnl::lstm_forward::primitive_desc;
  using BackwardPrimitive = dnnl::lstm_backward::primitive_desc;

  void MakeArguments(const ForwardPrimitive& forward, const BackwardPrimitive& backward,
                     const memory& input, std::mt19937& random);
  memory Zeros(const memory::desc& desc) const;
  memory Uniform(const memory::desc& desc, float bound, std::mt19937& random) const;
  memory Converted(memory from, const memory::desc& to) const;

  dnnl::engine engine_;
  dnnl::lstm_forward forward_;
  dnnl::lstm_backward backward_;
  // Of even and odd calls: what the one writes as new states the other reads.
  Arguments forward_arguments_[2], backward_arguments_[2];
  std::vector<memory> weight_gradients_;
  memory output_, input_gradient_;
  int parity_ = 1;
};

Stack::Stack(const dnnl::engine& engine, const Shape& shape, const memory& input,
             std::mt19937& random)
    : engine_(engine) {
  using tag = memory::format_tag;
  const auto [L, T, B, I, H, type] = shape;
  const auto f32 = memory::data_type::f32;
  const auto direction = dnnl::rnn_direction::unidirectional_left2right;
  const memory::dims layer_dims = {L, 1, I, kGates, H}, iter_dims = {L, 1, H, kGates, H};
  const memory::dims state_dims = {L, 1, B, H};
  const memory::desc layer(layer_dims, type, tag::any), iter(iter_dims, type, tag::any);
  const memory::desc bias({L, 1, kGates, H}, f32, tag::ldgo);
  const memory::desc hidden(state_dims, type, tag::ldnc), cell(state_dims, f32, tag::ldnc);
  const memory::desc output({T, B, H}, type, tag::tnc);
  const ForwardPrimitive forward(
      dnnl::lstm_forward::desc(dnnl::prop_kind::forward_training, direction, input.get_desc(),
                               hidden, cell, layer, iter, bias, output, hidden, cell),
      engine);

  // Gradients are f32 in either precision.
  const memory::desc layer_gradient(layer_dims, f32, tag::any);
  const memory::desc iter_gradient(iter_dims, f32, tag::any);
  const memory::desc state_gradient(state_dims, f32, tag::ldnc);
  const memory::desc input_gradient({T, B, I}, f32, tag::tnc);
  const memory::desc output_gradient({T, B, H}, f32, tag::tnc);
  const BackwardPrimitive backward(
      dnnl::lstm_backward::desc(dnnl::prop_kind::backward, direction, input.get_desc(), hidden,
                                cell, layer, iter, bias, output, hidden, cell, input_gradient,
                                state_gradient, state_gradient, layer_gradient, iter_gradient, bias,
                                output_gradient, state_gradient, state_gradient),
      engine, forward);

  forward_ = dnnl::lstm_forward(forward);
  backward_ = dnnl::lstm_backward(backward);
  MakeArguments(forward, backward, input, random);
}

void Stack::MakeArguments(const ForwardPrimitive& forward, const BackwardPrimitive& backward,
                          const memory& input, std::mt19937& random) {
  const memory::desc hidden = forward.src_iter_desc(), cell = forward.src_iter_c_desc();
  const auto plain = [](const memory::desc& desc) {
    return memory::desc(desc.dims(), memory::data_type::f32, memory::format_tag::ldigo);
  };
  const float bound = 1 / std::sqrt(static_cast<float>(hidden.dims().back()));
  const memory layer = Uniform(plain(forward.weights_layer_desc()), bound, random);
  const memory iter = Uniform(plain(forward.weights_iter_desc()), bound, random);

  output_ = Zeros(forward.dst_layer_desc());
  input_gradient_ = Zeros(backward.diff_src_layer_desc());
  weight_gradients_ = {Zeros(backward.diff_weights_layer_desc()),
                       Zeros(backward.diff_weights_iter_desc()), Zeros(backward.diff_bias_desc())};
  const Arguments both = {{DNNL_ARG_SRC_LAYER, input},
                          {DNNL_ARG_BIAS, Uniform(forward.bias_desc(), bound, random)},
                          {DNNL_ARG_DST_LAYER, output_},
                          {DNNL_ARG_WORKSPACE, Zeros(forward.workspace_desc())}};
  const Arguments forward_only = {
      {DNNL_ARG_WEIGHTS_LAYER, Converted(layer, forward.weights_layer_desc())},
      {DNNL_ARG_WEIGHTS_ITER, Converted(iter, forward.weights_iter_desc())}};
  const Arguments backward_only = {
      {DNNL_ARG_WEIGHTS_LAYER, Converted(layer, backward.weights_layer_desc())},
      {DNNL_ARG_WEIGHTS_ITER, Converted(iter, backward.weights_iter_desc())},
      {DNNL_ARG_DIFF_SRC_LAYER, input_gradient_},
      {DNNL_ARG_DIFF_SRC_ITER, Zeros(backward.diff_src_iter_desc())},
      {DNNL_ARG_DIFF_SRC_ITER_C, Zeros(backward.diff_src_iter_c_desc())},
      {DNNL_ARG_DIFF_WEIGHTS_LAYER, weight_gradients_[0]},
      {DNNL_ARG_DIFF_WEIGHTS_ITER, weight_gradients_[1]},
      {DNNL_ARG_DIFF_BIAS, weight_gradients_[2]},
      {DNNL_ARG_DIFF_DST_ITER, Zeros(backward.diff_dst_iter_desc())},
      {DNNL_ARG_DIFF_DST_ITER_C, Zeros(backward.diff_dst_iter_c_desc())}};

  const memory hidden_states[2] = {Zeros(hidden), Zeros(hidden)};
  const memory cell_states[2] = {Zeros(cell), Zeros(cell)};
  for (int parity : {0, 1}) {
    Arguments arguments = both;
    arguments.insert({{DNNL_ARG_SRC_ITER, hidden_states[parity]},
                      {DNNL_ARG_SRC_ITER_C, cell_states[parity]},
                      {DNNL_ARG_DST_ITER, hidden_states[1 - parity]},
                      {DNNL_ARG_DST_ITER_C, cell_states[1 - parity]}});
    forward_arguments_[parity] = backward_arguments_[parity] = arguments;
    forward_arguments_[parity].insert(forward_only.begin(), forward_only.end());
    backward_arguments_[parity].insert(backward_only.begin(), backward_only.end());
  }
}

memory Stack::Zeros(const memory::desc& desc) const {
  memory result(desc, engine_);
  std::memset(result.get_data_handle(), 0, desc.get_size());
  return result;
}

// Numbers in +-bound; `desc` must be f32.
memory Stack::Uniform(const memory::desc& desc, float bound, std::mt19937& random) const {
  memory result(desc, engine_);
  std::uniform_real_distribution<float> uniform(-bound, bound);
  float* values = static_cast<float*>(result.get_data_handle());
  for (size_t i = 0; i < desc.get_size() / sizeof(float); ++i) values[i] = uniform(random);
  return result;
}

memory Stack::Converted(memory from, const memory::desc& to) const {
  memory result(to, engine_);
  dnnl::stream stream(engine_);
  dnnl::reorder(from, result).execute(stream, from, result);
  stream.wait();
  return result;
}

void Stack::SetOutputGradient(const memory& gradient) {
  for (Arguments& arguments : backward_arguments_) {
    arguments.insert_or_assign(DNNL_ARG_DIFF_DST_LAYER, gradient);
  }
}

void Stack::Forward(dnnl::stream& stream) {
  parity_ = 1 - parity_;
  forward_.execute(stream, forward_arguments_[parity_]);
}

void Stack::Backward(dnnl::stream& stream) {
  for (const memory& gradient : weight_gradients_) {
    std::memset(gradient.get_data_handle(), 0, gradient.get_desc().get_size());
  }
  backward_.execute(stream, backward_arguments_[parity_]);
}

// One-hot rows [steps, batch, vocabulary] of random tokens.
memory OneHotInput(const dnnl::engine& engine, int64_t T, int64_t B, int64_t V,
                   memory::data_type type, std::mt19937& random) {
  memory result({{T, B, V}, type, memory::format_tag::tnc}, engine);
  char* bytes = static_cast<char*>(result.get_data_handle());
  std::memset(bytes, 0, result.get_desc().get_size());
  std::uniform_int_distribution<int64_t> token(0, V - 1);
  for (int64_t row = 0; row < T * B; ++row) {
    const int64_t index = row * V + token(random);
    if (type == memory::data_type::bf16) {
      reinterpret_cast<uint16_t*>(bytes)[index] = 0x3f80;  // 1 in bf16
    } else {
      reinterpret_cast<float*>(bytes)[index] = 1;
    }
  }
  return result;
}

class Network {
 public:
  explicit Network(const Options& options) : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    const auto number = [&](const char* name) { return options.numbers.at(name); };
    const int64_t L = number("layers"), H = number("hidden"), V = number("vocabulary");
    const int64_t B = number("batch"), T = number("steps");
    const auto type = options.bf16 ? memory::data_type::bf16 : memory::data_type::f32;
    std::mt19937 random(1);
    const memory input = OneHotInput(engine_, T, B, V, type, random);
    stacks_.reserve(2);
    stacks_.emplace_back(engine_, Stack::Shape{1, T, B, V, H, type}, input, random);
    if (L > 1) {
      stacks_.emplace_back(engine_, Stack::Shape{L - 1, T, B, H, H, type}, stacks_[0].output(),
                           random);
      stacks_[0].SetOutputGradient(stacks_[1].input_gradient());
    }
    output_gradient_ =
        memory({{T, B, H}, memory::data_type::f32, memory::format_tag::tnc}, engine_);
    float* gradient = static_cast<float*>(output_gradient_.get_data_handle());
    std::normal_distribution<float> normal(0, 1.0f / static_cast<float>(T * B));
    for (int64_t i = 0; i < T * B * H; ++i) gradient[i] = normal(random);
    stacks_.back().SetOutputGradient(output_gradient_);
    tokens_ = T * B;
  }

  int64_t tokens() const { return tokens_; }

  void Step() {
    for (Stack& stack : stacks_) stack.Forward(stream_);
    for (auto stack = stacks_.rbegin(); stack != stacks_.rend(); ++stack) stack->Backward(stream_);
    stream_.wait();
  }

  // Throws if the gradient that all others went into is nothing or not a number.
  void Check() const {
    const memory& gradient = stacks_[0].input_gradient();
    const float* values = static_cast<const float*>(gradient.get_data_handle());
    double sum = 0;
    for (size_t i = 0; i < gradient.get_desc().get_size() / sizeof(float); ++i) {
      sum += std::abs(values[i]);
    }
    if (!std::isfinite(sum) || sum == 0) throw std::runtime_error("the gradients are wrong");
  }

 private:
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::vector<Stack> stacks_;
  memory output_gradient_;
  int64_t tokens_ = 0;
};

// Steps for about `seconds`, at least one; returns their number and the exact time.
std::pair<int64_t, double> RunFor(Network& network, double seconds) {
  const Clock::time_point start = Clock::now();
  int64_t steps = 0;
  double elapsed = 0;
  while (steps == 0 || elapsed < seconds) {
    network.Step();
    ++steps;
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  }
  network.Check();
  return {steps, elapsed};
}

void Serve(Network& network) {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command, rest;
    double seconds = -1;
    if (!(words >> command >> seconds) || command != "run" || seconds < 0 || words >> rest) {
      throw std::invalid_argument("got '" + line + "', want 'run SECONDS'");
    }
    const auto [steps, elapsed] = RunFor(network, seconds);
    std::printf("%lld %.6f\n", static_cast<long long>(steps * network.tokens()), elapsed);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = ParseOptions(argc, argv);
    if (!options.lstm) {
      std::cerr << "unsupported: this worker has the LSTM cell only\n";
      return kUnsupported;
    }
    if (options.bf16 && !__builtin_cpu_supports("avx512bf16")) {
      std::cerr << "unsupported: bf16: this processor has no bf16 products for oneDNN\n";
      return kUnsupported;
    }
    omp_set_num_threads(static_cast<int>(options.numbers.at("threads")));
    Network network(options);
    RunFor(network, 0.5);
    std::puts("ready");
    std::fflush(stdout);
    Serve(network);
    return EXIT_SUCCESS;
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_unimplemented) {
      std::cerr << "unsupported: " << error.what() << "\n";
      return kUnsupported;
    }
    std::cerr << "onednn_lstm: " << error.what() << "\n";
  } catch (const std::exception& error) {
    std::cerr << "onednn_lstm: " << error.what() << "\n";
  }
  return EXIT_FAILURE;
}
