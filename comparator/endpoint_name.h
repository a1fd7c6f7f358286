// SPDX-License-Identifier: Apache-2.0
//
// What an exchange asked for, as a label: "GET /stock/{}", "POST /graphql query GetUser",
// "gRPC /shop.Orders/Get". Pure, but for the words of paths, which EndpointTree learns to collapse.
#pragma once

#include <string>
#include <string_view>

#include "core/model/record.h"

namespace banyan::comparator {

// What a request says it calls, beyond its path.
struct Operation {
  bool is_grpc = false;  // then the path names it
  std::string name;      // "query GetUser", "urn:shop#GetPrice", "eth_call"; "" for none

  void clear() {
    is_grpc = false;
    name.clear();
  }
};

// True where the REQUEST has to be read for it: all others are named by method and path.
bool may_name_operation(std::string_view method, std::string_view target);
// By X-Amz-Target, SOAPAction (or the action of a SOAP 1.2 Content-Type), the GraphQL operation, or
// the JSON-RPC method; a list of calls is "batch". Bodies in chunks, coded or beyond
// kOperationBodyBytesMax name nothing.
void read_operation(const model::RequestRecord& request, Operation& out);
inline constexpr std::size_t kOperationBodyBytesMax = 64 * 1024;

// Endpoints are labels; what goes beyond this is cut.
inline constexpr std::size_t kEndpointBytesMax = 512;

// What stands for a segment that is no word.
inline constexpr std::string_view kAnySegment = "{}";

// "v1", "V12", "v1.2"
bool is_version(std::string_view segment);

// "GET /v1/stock/{}": a segment is {} where it is a number, date, uuid, e-mail address, long hex
// number or holds a digit otherwise; of "report-17.pdf" it is {}.pdf. A version (v1) stays.
// In place of what `out` holds.
void write_endpoint(std::string_view method, std::string_view target, const Operation& operation,
                    std::string& out);
std::string endpoint_of(std::string_view method, std::string_view target);

}  // namespace banyan::comparator
