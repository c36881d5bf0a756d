#include "server/jobs/drawn_text.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "model/network/hidden_state_pool.h"
#include "model/network/language_model.h"
#include "model/text/utf8.h"
#include "model/text/vocabulary.h"

namespace derin::server {

absl::StatusOr<std::string> DrawText(Backend& backend, const ModelFile& model,
                                     const DrawnTextOptions& options) {
  const auto language_model =
      LanguageModel::Create(backend, model.config, model.parameters, /*max_rows=*/1);
  if (!language_model.ok()) return language_model.status();
  const auto pool = HiddenStatePool::Create(backend, StateType(model.config.precision),
                                            StateElements(model.config), /*capacity=*/1);
  if (!pool.ok()) return pool.status();
  const auto slot = (*pool)->Acquire();
  if (!slot.ok()) return slot.status();
  const auto queue = backend.NewQueue(QueuePriority::kTraining);
  if (!queue.ok()) return queue.status();

  std::vector<int32_t> prompt =
      model.tokenizer.EncodePrompt(NormalizePrompt(options.prompt, model.normalization)).tokens;
  if (prompt.empty()) prompt.push_back(Vocabulary::kUnknown);  // as a text from nothing begins
  LanguageModel::Row row{.slot = *slot};
  row.sample.settings.temperature = static_cast<float>(options.temperature);
  row.sample.seed = options.seed;

  int32_t next[LanguageModel::kMostSteps] = {};
  for (size_t i = 0; i + 1 < prompt.size(); ++i) {
    row.token = prompt[i];
    row.from_zero = i == 0;
    row.sample.position = static_cast<int64_t>(i) + 1;
    row.sample.forced_token = prompt[i + 1];
    absl::Status status = (*language_model)->Step(**queue, **pool, {&row, 1}, {next, 1});
    if (!status.ok()) return status;
  }
  row.token = prompt.back();
  row.from_zero = prompt.size() == 1;
  row.sample.position = static_cast<int64_t>(prompt.size());
  row.sample.forced_token = -1;
  std::string bytes;
  for (int drawn = 0; drawn < options.tokens;) {
    const int steps = std::min(options.tokens - drawn, LanguageModel::kMostSteps);
    absl::Status status = (*language_model)
                              ->Steps(**queue, **pool, {&row, 1}, steps,
                                      absl::MakeSpan(next, static_cast<size_t>(steps)));
    if (!status.ok()) return status;
    for (int i = 0; i < steps; ++i) model.tokenizer.AppendBytes(next[i], bytes);
    row.token = next[steps - 1];
    row.from_zero = false;
    row.sample.position += steps;
    drawn += steps;
  }
  Utf8Assembler text;
  const std::string whole = text.Append(bytes);
  return whole + text.Flush();
}

}  // namespace derin::server
