// Kernel parameters of the network namespace.
#pragma once

#include <string>
#include <vector>

namespace clawpatrol::netd {

// Adds a port to a list of ports and ranges as ip_local_reserved_ports has it; the same list when it is in
// it.
std::string with_reserved_port(const std::string& list, unsigned port);

// What steering needs of the machine and of each steered interface: the listeners' port is nobody's ephemeral
// port, sockets in TIME_WAIT are used again, what an agent sends is forwarded nowhere, and no agent changes
// our routes by redirects and router advertisements. Returns what could not be set; none of it opens
// anything.
std::vector<std::string> set_machine_parameters(unsigned listen_port);
std::vector<std::string> set_interface_parameters(const std::string& interface);

}  // namespace clawpatrol::netd
