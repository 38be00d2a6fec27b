// SPDX-License-Identifier: Apache-2.0
#ifndef PIVOT_ENGINE_FORMAT_GGUF_CHECKS_H_
#define PIVOT_ENGINE_FORMAT_GGUF_CHECKS_H_

// Checks of loader_checks.h for GGUF files; the subject's folder must be one.

#include <string>

#include "engine/format/loader_checks.h"

namespace pivot {

std::string VocabularyFillsTheEmbedding(const LoaderSubject& subject);
std::string TensorsFollowEachOther(const LoaderSubject& subject);
std::string NamesItsPreTokenizer(const LoaderSubject& subject);

}  // namespace pivot

#endif  // PIVOT_ENGINE_FORMAT_GGUF_CHECKS_H_
