/* libzmq, bare: a DEALER that sends and a ROUTER that receives. What they are told, and what they answer, is in
   src/play/mod.rs. With libzmq's own limits on what may wait: a DEALER that sends waits then, and nothing is lost. */

#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <zmq.h>

static void *socket_;

static long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void must(int fine, const char *what) {
    if (!fine) {
        fprintf(stderr, "libzmq: %s: %s\n", what, zmq_strerror(zmq_errno()));
        exit(1);
    }
}

static void receive(zmq_msg_t *frame) {
    must(zmq_msg_recv(frame, socket_, 0) >= 0, "a frame");
}

/* The frame is shared, not copied, where it is large. */
static void send_(zmq_msg_t *frame, int flags) {
    must(zmq_msg_send(frame, socket_, flags) >= 0, "sending");
}

static void receiver(void) {
    char line[256], place[256], word[16];
    size_t length = sizeof place;
    int count;
    zmq_msg_t from, frame;
    zmq_msg_init(&from);
    zmq_msg_init(&frame);
    must(zmq_bind(socket_, "tcp://10.66.0.1:*") == 0, "a port");
    must(zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, place, &length) == 0, "the port");
    printf("at %s\n", place);
    /* The sender says one word when it has come. */
    receive(&from);
    receive(&frame);
    printf("met\n");
    while (fgets(line, sizeof line, stdin)) {
        must(sscanf(line, "%15s %d", word, &count) == 2, line);
        printf("ready\n");
        int echo = strcmp(word, "echo") == 0;
        for (int i = 0; i < count; i++) {
            receive(&from);
            receive(&frame);
            if (echo) {
                send_(&from, ZMQ_SNDMORE);
                send_(&frame, 0);
            }
        }
        if (echo) printf("done\n");
        else printf("done %lld\n", now());
    }
}

static void sender(const char *place) {
    char line[256], word[16];
    int count, size;
    zmq_msg_t message, copy;
    zmq_msg_init(&copy);
    must(zmq_connect(socket_, place) == 0, "the receiver");
    must(zmq_send(socket_, "met", 3, 0) == 3, "a word");
    printf("met\n");
    while (fgets(line, sizeof line, stdin)) {
        must(sscanf(line, "%15s %d %d", word, &count, &size) == 3, line);
        int ping = strcmp(word, "ping") == 0;
        zmq_msg_init_size(&message, size);
        memset(zmq_msg_data(&message), 'x', size);
        if (ping) {
            long long *took = malloc(count * sizeof *took);
            for (int i = 0; i < count; i++) {
                long long begin = now();
                zmq_msg_copy(&copy, &message);
                send_(&copy, 0);
                receive(&copy);
                took[i] = now() - begin;
            }
            printf("took");
            for (int i = 0; i < count; i++) printf(" %lld", took[i]);
            printf("\n");
            free(took);
        } else {
            long long begin = now();
            for (int i = 0; i < count; i++) {
                zmq_msg_copy(&copy, &message);
                send_(&copy, 0);
            }
            printf("sent %lld\n", begin);
        }
        zmq_msg_close(&message);
    }
}

int main(int argc, char **argv) {
    int sends = argc > 2 && strcmp(argv[1], "sender") == 0;
    setlinebuf(stdout);
    /* Whatever it waits for then: nobody needs it any more. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    socket_ = zmq_socket(zmq_ctx_new(), sends ? ZMQ_DEALER : ZMQ_ROUTER);
    must(socket_ != NULL, "a socket");
    if (sends) sender(argv[2]);
    else receiver();
    return 0;
}
