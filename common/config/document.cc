// SPDX-License-Identifier: Apache-2.0
#include "common/config/document.h"

#include <fmt/format.h>
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <sstream>
#include <utility>

#include "common/config/findings.h"
#include "common/config/text_screen.h"

namespace weft::config {

namespace {

// Thrown through the parser to end it early; caught in Document::parse.
[[noreturn]] void refuse(const YAML::Mark& mark, const std::string& what) {
    throw YAML::ParserException(mark, what);
}

class Builder final : public YAML::EventHandler {
  public:
    std::vector<Node> take() { return std::move(nodes_); }
    [[nodiscard]] bool empty() const { return nodes_.empty(); }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (++documents_ > 1)
            refuse(mark, "a second document starts here; keep one document per file and remove the '---'");
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        Node node{.kind = NodeKind::nothing, .line = mark.line + 1};
        if (expects_key()) {  // the word null is a good name for a key
            node.kind = NodeKind::scalar;
            node.text = "null";
        } else if (!open_.empty() && nodes_[open_.back()].kind == NodeKind::map) {
            node.line = nodes_[nodes_[open_.back()].children.back()].line;  // the key's: nothing has no place
        }
        add(mark, anchor, std::move(node));
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        check_tag(mark, tag);
        add(mark, anchor,
            Node{.kind = NodeKind::scalar, .line = mark.line + 1, .quoted = tag == "!", .text = value});
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end()) refuse(mark, "this alias names no anchor; define it above with &");
        for (const std::size_t open : open_)
            if (open == found->second) refuse(mark, "this alias contains itself; write the value out");
        attach(mark, found->second);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        check_tag(mark, tag);
        open(mark, anchor, NodeKind::list);
    }
    void OnSequenceEnd() override { open_.pop_back(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        check_tag(mark, tag);
        open(mark, anchor, NodeKind::map);
    }
    void OnMapEnd() override { open_.pop_back(); }

  private:
    [[nodiscard]] bool expects_key() const {
        return !open_.empty() && nodes_[open_.back()].kind == NodeKind::map &&
               nodes_[open_.back()].children.size() % 2 == 0;
    }
    static void check_tag(const YAML::Mark& mark, const std::string& tag) {
        if (!tag.empty() && tag != "?" && tag != "!")
            refuse(mark, fmt::format("the tag {} has no meaning here; remove it", tag));
    }
    void open(const YAML::Mark& mark, YAML::anchor_t anchor, NodeKind kind) {
        if (open_.size() >= kNestingMax)
            refuse(mark, fmt::format("nested more than {} deep; nothing in this file is", kNestingMax));
        open_.push_back(add(mark, anchor, Node{.kind = kind, .line = mark.line + 1}));
    }
    std::size_t add(const YAML::Mark& mark, YAML::anchor_t anchor, Node node) {
        if (nodes_.size() >= kNodesMax)
            refuse(mark, fmt::format("more than {} values; split the configuration", kNodesMax));
        nodes_.push_back(std::move(node));
        const std::size_t index = nodes_.size() - 1;
        if (anchor != YAML::NullAnchor) anchors_[anchor] = index;
        attach(mark, index);
        return index;
    }
    void attach(const YAML::Mark& mark, std::size_t index) {
        if (open_.empty()) return;
        if (expects_key() && nodes_[index].kind != NodeKind::scalar)
            refuse(mark, "a key must be a plain word; a list or map cannot be one");
        if (++attached_ > kNodesMax)
            refuse(mark, fmt::format("more than {} values; split the configuration", kNodesMax));
        nodes_[open_.back()].children.push_back(static_cast<std::uint32_t>(index));
    }

    std::vector<Node> nodes_;
    std::map<YAML::anchor_t, std::size_t> anchors_;
    std::vector<std::size_t> open_;
    std::size_t attached_ = 0;
    int documents_ = 0;
};

// The library's words for the mistakes people make most, in ours.
std::string explain(const std::string& what) {
    static const std::pair<const char*, const char*> kWords[] = {
        {"illegal map value",
         "a ':' where no key can be; check the indentation, and quote values that contain ': '"},
        {"end of map not found",
         "the map is not closed, or this line is indented wrongly; check the indentation"},
        {"end of map flow not found", "a '{' is not closed; add the '}'"},
        {"end of sequence not found",
         "the list is not closed, or this line is indented wrongly; check the indentation"},
        {"end of sequence flow not found", "a '[' is not closed; add the ']'"},
        {"the referenced anchor is not defined", "this alias names no anchor; define it above with &"},
    };
    for (const auto& [theirs, ours] : kWords)
        if (what.starts_with(theirs)) return ours;          // some versions of it add a name
    if (what.find("; ") != std::string::npos) return what;  // one of Builder's
    return what + "; correct the YAML here";
}

}  // namespace

Result<Document> Document::parse(std::string_view text, const std::string& file) {
    if (const auto finding = screen_text(text))
        return fail(fmt::format("{}:{}: {}", file, finding->line, finding->what));
    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser parser(stream);
        Builder builder;
        while (parser.HandleNextDocument(builder)) continue;
        if (builder.empty())
            return fail(fmt::format("{}:1: the file is empty; configs/ has examples to start from", file));
        Document document;
        document.nodes_ = builder.take();
        return document;
    } catch (const YAML::Exception& exception) {
        const int line = exception.mark.is_null() ? 1 : exception.mark.line + 1;
        return fail(fmt::format("{}:{}: {}", file, line, one_line(explain(exception.msg))));
    } catch (const std::exception& exception) {
        return fail(fmt::format("{}:1: cannot read the YAML ({}); correct it or make it smaller", file,
                                one_line(exception.what())));
    }
}

}  // namespace weft::config
