#pragma once

#include <string>
#include <vector>

namespace derin::server {

// What a page of the port for operators answers.
struct HttpReply {
  int status = 200;
  std::string content_type;
  std::string body;
  std::vector<std::string> headers;  // further ones, as `Name: value`
};

}  // namespace derin::server
