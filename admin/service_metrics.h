// SPDX-License-Identifier: Apache-2.0
//
// Metric families that are read from the services at scrape time. docs/metrics.md lists them all.
#pragma once

#include <memory>

#include "admin/admin_server.h"
#include "admin/api.h"

namespace banyan::admin {

// Families stay registered for as long as the Metrics live; close() turns them silent, so that a
// late scrape never touches a service that is gone. Any thread.
class ServiceMetrics {
 public:
  ServiceMetrics(const AdminServices& services, const AdminFacts& facts,
                 const StoreFacts& store_facts, const StoreWorker& worker);
  ~ServiceMetrics() { close(); }
  void close();

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace banyan::admin
