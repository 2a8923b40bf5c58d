/* step_loop.c's workload on SimGrid, flat (SimGrid's weights do not nest), as SimGrid's users would write it.
 *
 * A node is a host as fast as all its CPUs; what a pod wants in a step is an execution bound to that rate, with the
 * pod's weight as its priority; after a second the node's driver reads what is left of each. SimGrid finds all rates.
 *
 *   g++ -O3 -march=native -o step_simgrid step_simgrid.cpp -lsimgrid && ./step_simgrid NODES PODS STEPS SEED [FILE]
 */
#include <ctime>
#include <simgrid/s4u.hpp>
#include <string>
#include <vector>

#include "step_demand.h"

namespace sg4 = simgrid::s4u;

/* An actor a node: with one for all, a step of 1,000 nodes takes 100 times as long (SimGrid goes through all hosts
 * after each round of simcalls, and actors make theirs in one round). */
static void drive(sg4::Host* host, Node node, int pods, long steps, float* out, size_t width) {
    std::vector<sg4::ExecPtr> execs(pods);
    for (long t = 0; t < steps; t++) {
        for (int i = 0; i < pods; i++) {
            node.backlog[i] += demand_of(&node, i, t);
            node.want[i] = node.backlog[i] < 2.0 ? node.backlog[i] : 2.0;
            if (node.want[i] > 0.0)
                execs[i] = sg4::this_actor::exec_init(node.want[i])
                               ->set_host(host)
                               ->set_bound(node.want[i])
                               ->set_priority(node.weight[i]);
        }
        for (auto& exec : execs)
            if (exec) exec->start();
        sg4::this_actor::sleep_until(t + 1.0);
        for (int i = 0; i < pods; i++) {
            double use = 0.0;
            if (execs[i]) {
                double left = execs[i]->get_remaining();
                use = node.want[i] - left;
                if (left > 0.0) execs[i]->cancel();
                execs[i] = nullptr;
            }
            node.backlog[i] -= use;
            out[t * width + i] = (float)use;
        }
    }
}

int main(int argc, char** argv) {
    sg4::Engine engine(&argc, argv);
    if (argc < 5) return 2;
    int nodes = atoi(argv[1]), pods = atoi(argv[2]);
    long steps = atol(argv[3]);
    uint64_t seed = strtoull(argv[4], nullptr, 10);
    sg4::NetZone* zone = sg4::create_full_zone("cluster");
    std::vector<sg4::Host*> hosts;
    for (int n = 0; n < nodes; n++)
        hosts.push_back(zone->create_host("node-" + std::to_string(n), (double)(int)(pods * 0.5 / 0.9 + 0.5)));
    zone->seal();
    std::vector<float> out((size_t)nodes * pods * steps);
    for (int n = 0; n < nodes; n++) {
        Node node;
        start(&node, n, pods, seed);
        float* first = out.data() + (size_t)n * pods;
        sg4::Actor::create("driver", hosts[n], drive, hosts[n], node, pods, steps, first, (size_t)nodes * pods);
    }
    struct timespec begin, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    engine.run();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    double seconds = end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) * 1e-9, sum = 0.0;
    for (float use : out) sum += use;
    printf("%.6f %.9f\n", seconds, sum);
    if (argc > 5) {
        FILE* file = fopen(argv[5], "wb");
        if (!file || fwrite(out.data(), sizeof out[0], out.size(), file) != out.size() || fclose(file)) return 1;
    }
    return 0;
}
