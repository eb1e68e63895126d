// SPDX-License-Identifier: Apache-2.0
// A doubly linked list of members that embed their own links: no allocation, O(1) removal.
#pragma once

#include <cstddef>

#include "common/core/check.h"

namespace weft {

template <class T>
class IntrusiveList;

// Base of whatever is kept in an IntrusiveList. In at most one list at a time.
class ListNode {
  public:
    ListNode() = default;
    ListNode(const ListNode&) = delete;
    ListNode& operator=(const ListNode&) = delete;
    ~ListNode() = default;

    [[nodiscard]] bool linked() const { return next_ != nullptr; }

  private:
    template <class T>
    friend class IntrusiveList;
    ListNode* previous_ = nullptr;
    ListNode* next_ = nullptr;
};

// FIFO of T, T derived from ListNode. Not thread-safe.
// REQUIRES: empty when destroyed (so that no member keeps a dangling link).
template <class T>
class IntrusiveList {
  public:
    IntrusiveList() {
        head_.next_ = &head_;
        head_.previous_ = &head_;
    }
    IntrusiveList(const IntrusiveList&) = delete;
    IntrusiveList& operator=(const IntrusiveList&) = delete;
    ~IntrusiveList() { WEFT_CHECK(empty()); }

    [[nodiscard]] bool empty() const { return head_.next_ == &head_; }
    [[nodiscard]] std::size_t size() const { return size_; }

    void push_back(T& item) { insert_before(head_, item); }
    void push_front(T& item) { insert_before(*head_.next_, item); }

    // REQUIRES: !empty()
    [[nodiscard]] T& front() {
        WEFT_CHECK(!empty());
        return *static_cast<T*>(head_.next_);
    }
    [[nodiscard]] const T& front() const {
        WEFT_CHECK(!empty());
        return *static_cast<const T*>(head_.next_);
    }
    T& pop_front() {
        T& item = front();
        remove(item);
        return item;
    }
    // REQUIRES: item is in this list
    void remove(T& item) {
        ListNode& node = item;
        WEFT_CHECK(node.linked() && size_ > 0);
        node.previous_->next_ = node.next_;
        node.next_->previous_ = node.previous_;
        node.next_ = nullptr;
        node.previous_ = nullptr;
        --size_;
    }
    // Moves all of `other` to the end of this list.
    void append(IntrusiveList& other) {
        while (!other.empty()) push_back(other.pop_front());
    }
    // Calls visit(T&) on each; visit may remove the item it is given, no other.
    template <class Visit>
    void for_each(Visit visit) {
        for (ListNode* node = head_.next_; node != &head_;) {
            ListNode* next = node->next_;
            visit(*static_cast<T*>(node));
            node = next;
        }
    }

  private:
    void insert_before(ListNode& position, T& item) {
        ListNode& node = item;
        WEFT_CHECK(!node.linked());
        node.previous_ = position.previous_;
        node.next_ = &position;
        position.previous_->next_ = &node;
        position.previous_ = &node;
        ++size_;
    }

    ListNode head_;
    std::size_t size_ = 0;
};

}  // namespace weft
