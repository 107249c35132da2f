#ifndef RWKVMON_H
#define RWKVMON_H
#endif
