#include "server/registry/model_digest.h"

#include "absl/strings/str_format.h"
#include "model/text/utf8.h"
#include "server/storage/sha256.h"

namespace derin::server {

std::string ModelSha256(const ModelFile& model) {
  const StackConfig& config = model.config;
  const Tokenizer& tokenizer = model.tokenizer;
  std::string facts = absl::StrFormat("%s %d %d %d %s %s\n", std::string(CellName(config.cell)),
                                      config.layers, config.hidden, config.vocabulary,
                                      std::string(TokenizationName(tokenizer.tokenization())),
                                      std::string(NormalizationName(model.normalization)));
  if (config.embedding > 0) {
    absl::StrAppendFormat(&facts, "embedding %d, tied %d\n", config.embedding, config.tied_head);
  }
  if (const Vocabulary* vocabulary = tokenizer.vocabulary(); vocabulary != nullptr) {
    for (const char32_t character : vocabulary->characters()) AppendCharacter(character, facts);
  }
  if (const WordVocabulary* words = tokenizer.words(); words != nullptr) {
    for (const std::string& word : words->words()) {
      absl::StrAppendFormat(&facts, "%d:%s", word.size(), word);
    }
  }
  Sha256 digest;
  digest.Append(facts);
  const auto& values = model.parameters.values;
  digest.Append({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0])});
  return digest.Finish();
}

}  // namespace derin::server
