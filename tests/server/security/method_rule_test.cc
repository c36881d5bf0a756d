#include "server/security/method_rule.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "derin/v1/corpus.pb.h"
#include "derin/v1/generation.pb.h"
#include "derin/v1/model.pb.h"
#include "derin/v1/server.pb.h"
#include "derin/v1/training.pb.h"

namespace derin::server {
namespace {

// As a client calls them: all methods of the API.
std::set<std::string> MethodsOfTheApi() {
  std::set<std::string> paths;
  for (const google::protobuf::FileDescriptor* file :
       {v1::Corpus::descriptor()->file(), v1::Session::descriptor()->file(),
        v1::Model::descriptor()->file(), v1::ServerInfo::descriptor()->file(),
        v1::TrainingJob::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      const google::protobuf::ServiceDescriptor& service = *file->service(s);
      for (int m = 0; m < service.method_count(); ++m) {
        paths.insert("/" + service.full_name() + "/" + service.method(m)->name());
      }
    }
  }
  return paths;
}

// tests/end_to_end/tokens_test.cc asks a server for the services that it has.
TEST(MethodRule, EveryMethodOfTheApiHasARole) {
  const std::set<std::string> methods = MethodsOfTheApi();
  EXPECT_GE(methods.size(), 29u);
  for (const std::string& path : methods) {
    const MethodRule* rule = RuleOf(path);
    ASSERT_NE(rule, nullptr) << path << " has no row in server/security/method_rule.cc";
    EXPECT_TRUE(rule->role.has_value()) << path;
  }
}

TEST(MethodRule, TheTableHasNoOtherMethodOfTheApi) {
  const std::set<std::string> methods = MethodsOfTheApi();
  std::set<std::string> seen;
  for (const MethodRule& rule : MethodRules()) {
    const std::string path(rule.path);
    EXPECT_TRUE(seen.insert(path).second) << path << " is there twice";
    if (path.starts_with("/derin.")) {
      EXPECT_TRUE(methods.contains(path)) << path << " is no method";
    }
  }
}

TEST(MethodRule, OnlyHealthIsOpenToEverybody) {
  for (const MethodRule& rule : MethodRules()) {
    EXPECT_EQ(rule.role.has_value(), !rule.path.starts_with("/grpc.health.")) << rule.path;
  }
}

TEST(MethodRule, WhatIsNotInTheTableHasNoRule) {
  EXPECT_EQ(RuleOf("/derin.v1.CorpusService/Nothing"), nullptr);
  EXPECT_EQ(RuleOf(""), nullptr);
}

}  // namespace
}  // namespace derin::server
