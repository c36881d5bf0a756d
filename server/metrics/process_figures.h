#pragma once

namespace derin::server {

// What the system knows about this process, read from /proc at each call; 0 where it cannot be
// read.

double ProcessResidentMemoryBytes();
// User and system time of all threads.
double ProcessCpuSeconds();
double ProcessOpenFileDescriptors();
// Since 1970.
double ProcessStartTimeSeconds();

}  // namespace derin::server
