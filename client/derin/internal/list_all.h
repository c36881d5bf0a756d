#pragma once

#include <utility>
#include <vector>

#include "derin/internal/connection.h"
#include "derin/internal/conversion.h"

namespace derin::client::internal {

// All that a list has, page by page: items_of(reply) of each reply, as the library has them.
template <typename Stub, typename Request, typename Reply, typename ItemsOf>
auto ListAll(Connection& connection, Stub& stub,
             grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
             Request request, const ItemsOf& items_of) {
  using Item = decltype(FromProto(*items_of(std::declval<const Reply&>()).begin()));
  using Items = std::vector<Item>;
  Items items;
  do {
    const absl::StatusOr<Reply> reply = connection.Call(stub, method, request);
    if (!reply.ok()) return absl::StatusOr<Items>(reply.status());
    for (const auto& item : items_of(*reply)) items.push_back(FromProto(item));
    request.set_page_token(reply->next_page_token());
  } while (!request.page_token().empty());
  return absl::StatusOr<Items>(std::move(items));
}

}  // namespace derin::client::internal
