// SPDX-License-Identifier: Apache-2.0
#include "target/volume.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "common/block/null_device.h"
#include "common/srp/port_id.h"
#include "common/uring/file_device.h"

namespace weft::target {

srp::PortId initiator_port(const std::string& initiator) {
    if (initiator.size() == 32 &&
        initiator.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos) {
        std::string dashed = initiator;
        for (const std::size_t at : {20U, 16U, 12U, 8U}) dashed.insert(at, "-");
        return srp::port_id_of_initiator(*Uuid::parse(dashed));
    }
    if (const auto uuid = Uuid::parse(initiator)) return srp::port_id_of_initiator(*uuid);
    return srp::port_id_of_initiator(initiator);
}

namespace {

// What a file holds is the kernel's until it is flushed, and lives as long as the kernel does; what memory
// holds, as long as we do.
scsi::Epoch epoch_of(config::BackendKind backend) {
    if (backend == config::BackendKind::memory) return {.id = Uuid::random(), .whole = true};
    if (backend == config::BackendKind::null) return {};
    std::string boot;
    std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
    return {.id = Uuid::parse(boot).value_or(Uuid::random())};
}

block::Geometry null_geometry(const config::ExportedVolume& config) {
    block::Geometry geometry;
    geometry.block_size = config.block_size;
    geometry.physical_block_size = config.block_size;
    geometry.blocks = config.size / config.block_size;
    geometry.read_only = config.read_only;
    return geometry;
}

}  // namespace

Volume::Volume(const config::Target& target, const config::ExportedVolume& config)
    : config_(config),
      uuid_(config.uuid ? *config.uuid
                        : Uuid::from_name(target.uuid ? target.uuid->to_string() : target.name, config.name)),
      epoch_(epoch_of(config.backend)) {}

std::string Volume::place() const { return to_string(config_.place) + ": volume '" + config_.name + "': "; }

Result<std::unique_ptr<Volume>> Volume::open(const config::Target& target,
                                             const config::ExportedVolume& config) {
    auto volume = std::unique_ptr<Volume>(new Volume(target, config));
    if (config.backend == config::BackendKind::file) {
        uring::FileOptions options;
        options.path = config.path;
        options.block_size = config.block_size;
        options.size = config.size;
        options.read_only = config.read_only;
        options.write_cache = config.write_cache;
        auto file = uring::FileStore::open(options);
        if (!file) return fail(volume->place() + file.error().what, file.error().code);
        volume->file_ = std::move(*file);
    } else if (config.backend == config::BackendKind::memory) {
        auto memory = block::MemoryStore::create(config.size);
        if (!memory) return fail(volume->place() + memory.error().what, memory.error().code);
        volume->memory_ = std::move(*memory);
    }
    return volume;
}

Result<std::unique_ptr<block::BlockDevice>> Volume::device_on(daemon::ReactorThread& thread) {
    switch (config_.backend) {
        case config::BackendKind::file: {
            auto file = uring::FileDevice::create(thread.reactor(), thread.ring(), *file_);
            if (!file) return Failure(file.error());
            return std::move(*file);
        }
        case config::BackendKind::memory: {
            auto memory = block::MemoryDevice::create(thread.reactor(), *memory_, thread.regions(),
                                                      {config_.block_size, config_.read_only});
            if (!memory) return Failure(memory.error());
            return std::move(*memory);
        }
        case config::BackendKind::null:
            return std::make_unique<block::NullDevice>(thread.reactor(), null_geometry(config_));
    }
    WEFT_UNREACHABLE("BackendKind");
}

Result<std::unique_ptr<block::BlockDevice>> Volume::make_device(daemon::ReactorThread& thread) {
    auto device = device_on(thread);
    if (!device) return fail(place() + device.error().what, device.error().code);
    return device;
}

lun::Identity Volume::identity(const srp::PortId& target_port) const {
    return {.uuid = uuid_, .name = config_.name, .target_port = target_port, .epoch = epoch_};
}

std::uint64_t Volume::bytes() const { return file_ != nullptr ? file_->geometry().bytes() : config_.size; }

std::uint64_t Volume::memory_bytes() const { return memory_ != nullptr ? memory_->bytes() : 0; }

const config::Grant* Volume::grant_for(const srp::PortId& initiator) const {
    const config::Grant* everybody = nullptr;  // counts only for whom no item names
    for (const auto& grant : config_.initiators) {
        if (grant.initiator == "any")
            everybody = &grant;
        else if (initiator_port(grant.initiator) == initiator)
            return &grant;
    }
    return everybody;
}

}  // namespace weft::target
