/* A library in the shape of NVIDIA's libnvidia-ml.so.1, for the tests: five GPUs whose state is files
 * beside the library. Written from the public descriptions of the calls; no code of NVIDIA's.
 *
 *   calls          each call is appended here, one name a line
 *   init           the code that nvmlInit_v2 answers
 *   hang           a FIFO: who asks for utilisation waits until somebody opens it for writing
 *   gone-N         GPU N cannot be opened (not found)
 *   lost-N         GPU N is lost when it is asked
 *   mute-N         GPU N supports nothing but its name
 *   xid-N          the number in it is handed out once as an error code of GPU N
 *   processes-N    lines "PID BYTES", compute processes of GPU N
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

typedef unsigned int uint;
typedef unsigned long long ull;
typedef struct { int number; int parent; } Device;
enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, TIMEOUT = 10, LOST = 15 };

static const char *const ADDRESS[] = {"00000000:1B:00.0", "00000000:43:00.0", "00000000:52:00.0",
                                      "00000000:9D:00.0", "00000000:C3:00.0"};
static Device devices[5] = {{0, -1}, {1, -1}, {2, -1}, {3, -1}, {4, -1}};
static Device parts[2] = {{5, 2}, {6, 2}};

static const char *beside(const char *name, char *path, size_t size) {
    Dl_info info;
    if (!dladdr((void *)beside, &info)) abort();
    snprintf(path, size, "%s", info.dli_fname);
    *(strrchr(path, '/') + 1) = 0;
    strncat(path, name, size - strlen(path) - 1);
    return path;
}

static int exists(const char *kind, int number) {
    char name[64], path[4096];
    snprintf(name, sizeof name, "%s-%d", kind, number);
    return access(beside(name, path, sizeof path), F_OK) == 0;
}

static int called(const char *name) {
    char path[4096], line[128];
    int file = open(beside("calls", path, sizeof path), O_WRONLY | O_CREAT | O_APPEND, 0600);
    int length = snprintf(line, sizeof line, "%s\n", name);
    if (file < 0) return OK; /* the test has ended, and its folder is gone */
    if (write(file, line, length) != length) abort();
    close(file);
    return OK;
}

/* What stands before every answer of a device. */
static int may(const char *name, Device *device) {
    called(name);
    if (exists("lost", device->number)) return LOST;
    return exists("mute", device->number) ? NOT_SUPPORTED : OK;
}
#define CALL(device) do { int code = may(__func__, device); if (code) return code; } while (0)
#define VALUE(name, type, value) int name(Device *d, type *out) { CALL(d); *out = (value); return OK; }

int nvmlInit_v2(void) {
    char path[4096];
    int code = OK;
    called(__func__);
    FILE *file = fopen(beside("init", path, sizeof path), "r");
    if (file) { if (fscanf(file, "%d", &code) != 1) abort(); fclose(file); }
    return code;
}
int nvmlShutdown(void) { return called(__func__); }
int nvmlSystemGetDriverVersion(char *out, uint size) { snprintf(out, size, "580.95.05"); return OK; }
int nvmlDeviceGetCount_v2(uint *out) { called(__func__); *out = 5; return OK; }

int nvmlDeviceGetHandleByIndex_v2(uint index, Device **out) {
    called(__func__);
    if (index >= 5) return INVALID;
    *out = &devices[index];
    return exists("gone", index) ? NOT_FOUND : OK;
}
int nvmlDeviceGetHandleByPciBusId_v2(const char *address, Device **out) {
    char line[128];
    snprintf(line, sizeof line, "%s %s", __func__, address);
    called(line);
    for (int number = 0; number < 5; number++)
        if (!strcasecmp(address, ADDRESS[number])) {
            *out = &devices[number];
            return exists("gone", number) ? NOT_FOUND : OK;
        }
    return NOT_FOUND;
}

int nvmlDeviceGetUUID(Device *d, char *out, uint size) { snprintf(out, size, d->parent < 0 ? "GPU-%d" : "MIG-%d", d->number); return OK; }
int nvmlDeviceGetName(Device *d, char *out, uint size) {
    snprintf(out, size, d->parent < 0 ? "NVIDIA H200" : "NVIDIA H200 MIG 3g.71gb");
    return OK;
}
int nvmlDeviceGetIndex(Device *d, uint *out) { *out = d->number; return OK; }
struct pci { char legacy[16]; uint domain, bus, device, id, subsystem; char address[32]; };
int nvmlDeviceGetPciInfo_v3(Device *d, struct pci *out) {
    memset(out, 0, sizeof *out);
    strcpy(out->address, ADDRESS[d->number]);
    return OK;
}

int nvmlDeviceGetTemperature(Device *d, int sensor, uint *out) { (void)sensor; CALL(d); *out = 61; return OK; }
int nvmlDeviceGetTemperatureThreshold(Device *d, int type, uint *out) {
    CALL(d);
    if (type == 1) { *out = 95; return OK; } /* slowdown */
    if (type == 3) { *out = 87; return OK; } /* the most in operation */
    return NOT_SUPPORTED;
}
struct memory { uint version; ull total, reserved, free, used; };
int nvmlDeviceGetMemoryInfo_v2(Device *d, struct memory *out) {
    CALL(d);
    if (out->version != (sizeof *out | 2u << 24)) return INVALID;
    *out = (struct memory){out->version, 150754820096ULL, 600000000, 0, 1000000000ULL * (d->number + 1)};
    return OK;
}
struct load { uint gpu, memory; };
int nvmlDeviceGetUtilizationRates(Device *d, struct load *out) {
    char path[4096];
    CALL(d);
    int hang = open(beside("hang", path, sizeof path), O_RDONLY);
    if (hang >= 0) close(hang);
    if (d->number == 2) return NOT_SUPPORTED; /* as of a GPU that is cut */
    *out = (struct load){97, 41};
    return OK;
}
int nvmlDeviceGetEncoderUtilization(Device *d, uint *out, uint *us) { CALL(d); *out = 3; *us = 1; return OK; }
int nvmlDeviceGetDecoderUtilization(Device *d, uint *out, uint *us) { CALL(d); *out = 250; *us = 1; return OK; }
VALUE(nvmlDeviceGetPowerUsage, uint, 654210)
VALUE(nvmlDeviceGetEnforcedPowerLimit, uint, 700000)
VALUE(nvmlDeviceGetTotalEnergyConsumption, ull, 123456789)
int nvmlDeviceGetClockInfo(Device *d, int type, uint *out) { CALL(d); *out = type == 1 ? 1830 : 3201; return OK; }
VALUE(nvmlDeviceGetCurrentClocksThrottleReasons, ull, 0x44 | 1)
struct held { ull reference, time; };
int nvmlDeviceGetViolationStatus(Device *d, int policy, struct held *out) {
    CALL(d);
    *out = (struct held){0, policy == 0 ? 2000000000ULL : 5};
    return OK;
}
int nvmlDeviceGetTotalEccErrors(Device *d, int kind, int counter, ull *out) { CALL(d); *out = kind * 10 + counter; return OK; }
VALUE(nvmlDeviceGetCurrPcieLinkGeneration, uint, 4)
VALUE(nvmlDeviceGetMaxPcieLinkGeneration, uint, 5)
VALUE(nvmlDeviceGetCurrPcieLinkWidth, uint, 8)
VALUE(nvmlDeviceGetMaxPcieLinkWidth, uint, 16)
VALUE(nvmlDeviceGetPcieReplayCounter, uint, 7)
int nvmlDeviceGetPcieThroughput(Device *d, int way, uint *out) { CALL(d); *out = way == 0 ? 1000 : 2000; return OK; }
int nvmlDeviceGetFanSpeed_v2(Device *d, uint fan, uint *out) { CALL(d); (void)fan; (void)out; return NOT_SUPPORTED; }
VALUE(nvmlDeviceGetPerformanceState, int, 0)
int nvmlDeviceGetNvLinkState(Device *d, uint link, int *out) {
    CALL(d);
    if (link > 1) return INVALID;
    *out = link == 0;
    return OK;
}
int nvmlDeviceGetNvLinkErrorCounter(Device *d, uint link, int counter, ull *out) {
    CALL(d);
    if (counter == 3 || link) return NOT_SUPPORTED;
    *out = counter + 1;
    return OK;
}

struct field { uint id, scope; long long at, latency; int type, code; union { double d; uint ui; ull ull; } value; };
int nvmlDeviceGetFieldValues(Device *d, int count, struct field *fields) {
    CALL(d);
    for (int i = 0; i < count; i++) {
        fields[i].code = OK;
        fields[i].type = 1;
        fields[i].value.ull = 0;
        switch (fields[i].id) {
        case 82: fields[i].value.ui = 58; break;  /* memory temperature */
        case 142: fields[i].value.ui = 2; break;  /* rows remapped after errors that were mended */
        case 143: fields[i].type = 3; fields[i].value.ull = 1; break;
        case 144: fields[i].value.ui = 1; break;  /* one waits for the next reset */
        case 145: fields[i].value.ui = 0; break;
        default: fields[i].code = NOT_SUPPORTED;
        }
    }
    return OK;
}

int nvmlDeviceGetMigMode(Device *d, uint *now, uint *next) {
    CALL(d);
    if (d->number == 1) return NOT_SUPPORTED;
    *now = *next = d->number == 2;
    return OK;
}
int nvmlDeviceGetMaxMigDeviceCount(Device *d, uint *out) { CALL(d); *out = 7; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(Device *d, uint index, Device **out) {
    CALL(d);
    if (index >= 2) return NOT_FOUND;
    *out = &parts[index];
    return OK;
}

struct process { uint pid; ull bytes; uint gpu_instance, compute_instance; };
static int processes(Device *d, uint *count, struct process *out) {
    char name[64], path[4096];
    uint found = 0, room = *count;
    snprintf(name, sizeof name, "processes-%d", d->number);
    FILE *file = fopen(beside(name, path, sizeof path), "r");
    uint pid;
    ull bytes;
    while (file && fscanf(file, "%u %llu", &pid, &bytes) == 2) {
        if (out && found < room) out[found] = (struct process){pid, bytes, ~0u, ~0u};
        found++;
    }
    if (file) fclose(file);
    *count = found;
    return found > room ? TOO_SMALL : OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(Device *d, uint *count, struct process *out) { CALL(d); return processes(d, count, out); }
int nvmlDeviceGetGraphicsRunningProcesses_v3(Device *d, uint *count, struct process *out) {
    CALL(d);
    return d->number == 0 ? processes(d, count, out) : (*count = 0, OK); /* lists the same ones again */
}

typedef struct { Device *device; } Set;
int nvmlEventSetCreate(Set **out) { called(__func__); *out = calloc(1, sizeof(Set)); return *out ? OK : INVALID; }
int nvmlDeviceRegisterEvents(Device *d, ull types, Set *set) {
    CALL(d);
    set->device = d;
    return types == 8 ? OK : INVALID;
}
struct event { Device *device; ull type, data; uint gpu_instance, compute_instance; };
int nvmlEventSetWait_v2(Set *set, struct event *out, uint timeout_ms) {
    char name[64], path[4096];
    if (timeout_ms) abort(); /* nobody here may wait */
    snprintf(name, sizeof name, "xid-%d", set->device->number);
    FILE *file = fopen(beside(name, path, sizeof path), "r");
    if (!file) return TIMEOUT;
    *out = (struct event){set->device, 8, 0, 0, 0};
    if (fscanf(file, "%llu", &out->data) != 1) abort();
    fclose(file);
    unlink(path);
    return OK;
}
int nvmlEventSetFree(Set *set) { called(__func__); free(set); return OK; }
