/* The load generator: all the clients of one server, in one process and one epoll loop.

       load HOST PORT SERVER_PID

   It reads commands from standard input, one a line, `NAME key=value ...`, and answers each with
   one line of JSON. What goes wrong is {"error": "..."}, and its end.

       join n= group= limit=             n more members; at most `group` of them without a welcome
       talk talkers= flight= size= warmup= seconds= patience=
       ping count= warmup= size= limit=  one message at a time, each by another member
       stall n=                          members who join and never read
       unstall                           and leave
       drain pid= limit=                 SIGTERM to the server; until all are told and closed
       drink n= warmup= seconds=         count the lines that a firehose sends to n clients
       calc n= depth= warmup= seconds= cases=FILE

   __main__.py does the same where there is no compiler; tests hold both to the same answers.

   What is in flight: a message counts from when it is handed to its talker's socket until the last
   of all members who read has it. `talk` keeps `flight` of them on their way, whatever the server
   does, dealing them out to the talkers in turn. Each line that a member gets is counted. At the
   end `talk` stops talking and waits: what is not there when nothing has come for `patience`
   seconds is `missing`. Two listeners and one talker read every line, who said it, its number and
   its filler: `faults` are the lines that are otherwise. */
#include "load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

struct sockaddr_in server;
pid_t server_pid;

int main(int argc, char **argv)
{
    char command[2048];
    if (argc != 4) {
        fprintf(stderr, "load HOST PORT SERVER_PID\n");
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(argv[2]));
    inet_pton(AF_INET, argv[1], &server.sin_addr);
    server_pid = atoi(argv[3]);
    ep = epoll_create1(0);
    while (fgets(command, sizeof command, stdin)) {
        char name[32] = "";
        sscanf(command, "%31s", name);
        if (!strcmp(name, "join")) join(command);
        else if (!strcmp(name, "talk")) talk(command);
        else if (!strcmp(name, "ping")) ping(command);
        else if (!strcmp(name, "stall")) stall(command);
        else if (!strcmp(name, "unstall")) unstall();
        else if (!strcmp(name, "drain")) drain(command);
        else if (!strcmp(name, "drink")) drink(command);
        else if (!strcmp(name, "calc")) calc(command);
        else fail("unknown command %s", name);
        fflush(stdout);
    }
    return 0;
}
