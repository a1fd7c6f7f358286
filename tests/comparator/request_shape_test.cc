// SPDX-License-Identifier: Apache-2.0
#include "comparator/request_shape.h"

#include <gtest/gtest.h>

#include <string>

namespace banyan::comparator {
namespace {

TEST(RequestShapeTest, IsTheSetOfNamesInTheQuery) {
  const std::uint32_t shape = request_shape("/orders?limit=10&page=2");
  EXPECT_GT(shape, kManyNamesShape);
  EXPECT_EQ(shape, request_shape("/stock/7?page=&limit="));
  EXPECT_EQ(shape, request_shape("/orders?limit=1&limit=2&&page=3#limit"));
  EXPECT_NE(shape, request_shape("/orders?limit=10"));
  EXPECT_NE(shape, request_shape("/orders?limit=10&page=2&sort=a"));
  EXPECT_EQ(request_shape("/a?ids[0]=1&ids%5B1%5D=2"), request_shape("/a?ids=7"));
}

TEST(RequestShapeTest, WhatMayBeAPersonsDataIsNoName) {
  const std::uint32_t odd = request_shape("/?ada@example.com");
  EXPECT_EQ(odd, request_shape("/?debug"));
  EXPECT_EQ(odd, request_shape("/?" + std::string(41, 'a') + "=1"));
  EXPECT_EQ(odd, request_shape("/?a%40b=1"));
  EXPECT_NE(odd, request_shape("/?debug=1"));
}

TEST(RequestShapeTest, WithoutNamesThereIsNone) {
  for (const char* target : {"", "/", "/orders", "/orders?", "/orders?&&=7", "*"}) {
    EXPECT_EQ(request_shape(target), 0U) << target;
  }
}

TEST(RequestShapeTest, ManyNamesAreOneShape) {
  std::string target = "/?";
  for (std::size_t i = 0; i < kShapeNamesMax; ++i) target += "p" + std::to_string(i) + "=&";
  EXPECT_GT(request_shape(target), kManyNamesShape);
  EXPECT_EQ(request_shape(target + "p0="), request_shape(target));
  EXPECT_EQ(request_shape(target + "one_more="), kManyNamesShape);
}

}  // namespace
}  // namespace banyan::comparator
