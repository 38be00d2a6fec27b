// SPDX-License-Identifier: Apache-2.0
// write_tiny_model FOLDER MODEL_TYPE: a model folder of random weights ("llama" or "qwen2"), and FOLDER.txt, a text
// that is long enough to calibrate on. For tests that run whole programs.
#include <fstream>
#include <iostream>

#include "tests/support/tiny_model.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: write_tiny_model FOLDER MODEL_TYPE\n";
    return 2;
  }
  const std::string folder = argv[1];
  const absl::Status status = pivot::WriteTinyModel(folder, {.model_type = argv[2], .num_blocks = 4});
  if (!status.ok()) {
    std::cerr << status.message() << "\n";
    return 1;
  }
  std::ofstream(folder + ".txt", std::ios::binary) << pivot::PseudoEnglish(20'000);
  return 0;
}
