"""Lets atlassian-python-api loose on the simulator, and reads back what it wrote.

Usage: atlassian_calls.py URL TOKEN CA-FILE. The simulator has the repository SHOP/web with a.txt on master. Prints a line for each
call that came back as it must, and last their number; ends with 1 at the first that did not.
"""

import io
import sys
import tarfile

from atlassian import Bitbucket

calls = []


def check(name, condition, found=None):
    if not condition:
        sys.exit(f"{name}: {found!r}")
    if name not in calls:
        calls.append(name)
        print("ok", name)


def main(url, token, ca):
    bitbucket = Bitbucket(url=url, token=token, verify_ssl=ca)
    projects(bitbucket)
    start = refs(bitbucket)
    head = files(bitbucket, start)
    commits(bitbucket, start, head)
    number = pull_request(bitbucket)
    comments(bitbucket, number)
    builds(bitbucket, head)
    ends(bitbucket, number)
    print(f"{len(calls)} distinct calls")


def projects(b):
    created = b.create_project("LAB", "Laboratory", "Things to try")
    check("create_project", created["key"] == "LAB", created)
    check("project", b.project("LAB")["description"] == "Things to try")
    check("project_list", {"LAB", "SHOP"} <= {p["key"] for p in b.project_list()})
    check("update_project", b.update_project("LAB", name="Lab")["name"] == "Lab")
    check("project_exists", b.project_exists("LAB") and not b.project_exists("NOWHERE"))
    repo = b.create_repo("LAB", "tool", forkable=True, is_private=True)
    check("create_repo", repo["slug"] == "tool", repo)
    check("get_repo", b.get_repo("LAB", "tool")["project"]["key"] == "LAB")
    check("repo_list", [r["slug"] for r in b.repo_list("LAB")] == ["tool"])
    check("repo_exists", b.repo_exists("LAB", "tool") and not b.repo_exists("LAB", "nothing"))
    check("update_repo", b.update_repo("LAB", "tool", description="A tool")["description"] == "A tool")
    fork = b.fork_repository("SHOP", "web", "web-fork")
    check("fork_repository", fork["origin"]["slug"] == "web", fork)
    b.delete_repo("LAB", "tool")
    check("delete_repo", not b.repo_exists("LAB", "tool"))
    check("get_users", any(u["name"] == "alice" for u in b.get_users("alice")["values"]))


def refs(b):
    default = b.get_default_branch("SHOP", "web")
    check("get_default_branch", default["displayId"] == "master", default)
    start = default["latestCommit"]
    made = b.create_branch("SHOP", "web", "py/fix", start)
    check("create_branch", made["latestCommit"] == start, made)
    found = [branch["displayId"] for branch in b.get_branches("SHOP", "web", filter="py/")]
    check("get_branches", found == ["py/fix"], found)
    tag = b.set_tag("SHOP", "web", "v1.0", start, description="First")
    check("set_tag", tag["displayId"] == "v1.0", tag)
    check("get_tags", [t["displayId"] for t in b.get_tags("SHOP", "web")] == ["v1.0"])
    check("get_project_tags", b.get_project_tags("SHOP", "web", "v1.0")["latestCommit"] == start)
    b.set_tag("SHOP", "web", "v0.9", start)
    b.delete_tag("SHOP", "web", "v0.9")
    check("delete_tag", [t["displayId"] for t in b.get_tags("SHOP", "web")] == ["v1.0"])
    b.create_branch("SHOP", "web", "py/gone", start)
    b.delete_branch("SHOP", "web", "py/gone")
    check("delete_branch", [x["displayId"] for x in b.get_branches("SHOP", "web", filter="py/")] == ["py/fix"])
    return start


def files(b, start):
    new = b.upload_file("SHOP", "web", "hello\n", "Add a file", "py/fix", "py/new.txt")
    check("upload_file", new["message"] == "Add a file", new)
    edited = b.update_file("SHOP", "web", "one\nTWO\n", "Change a line", "py/fix", "a.txt", new["id"])
    check("update_file", edited["message"] == "Change a line", edited)
    content = b.get_content_of_file("SHOP", "web", "a.txt", at="refs/heads/py/fix")
    check("get_content_of_file", content == b"one\nTWO\n", content)
    listed = list(b.get_file_list("SHOP", "web", query="refs/heads/py/fix"))
    check("get_file_list", "py/new.txt" in listed and "a.txt" in listed, listed)
    packed = io.BytesIO()
    b.download_repo_archive("SHOP", "web", packed, at="refs/heads/py/fix", format="tar")
    packed.seek(0)
    names = tarfile.open(fileobj=packed).getnames()
    check("download_repo_archive", "py/new.txt" in names, names)
    return edited["id"]


def commits(b, start, head):
    listed = [c["id"] for c in b.get_commits("SHOP", "web", hash_newest="refs/heads/py/fix")]
    check("get_commits", listed[0] == head and start in listed, listed)
    check("get_commit_info", b.get_commit_info("SHOP", "web", head)["message"] == "Change a line")
    changes = b.get_commit_changes("SHOP", "web", commit_id=head)["values"]
    check("get_commit_changes", [c["path"]["toString"] for c in changes] == ["a.txt"], changes)
    log = [c["id"] for c in b.get_changelog("SHOP", "web", "refs/heads/py/fix", "refs/heads/master")]
    check("get_changelog", log[0] == head and start not in log, log)
    diff = b.get_diff("SHOP", "web", "a.txt", "refs/heads/py/fix", "refs/heads/master")
    check("get_diff", diff[0]["destination"]["toString"] == "a.txt", diff)


def pull_request(b):
    opened = b.open_pull_request(
        "SHOP", "web", "SHOP", "web", "refs/heads/py/fix", "refs/heads/master", "Fix", "Why", reviewers="bob"
    )
    number = opened["id"]
    check("open_pull_request", opened["state"] == "OPEN" and opened["reviewers"][0]["user"]["name"] == "bob", opened)
    check("get_pull_request", b.get_pull_request("SHOP", "web", number)["title"] == "Fix")
    check("get_pull_requests", [p["id"] for p in b.get_pull_requests("SHOP", "web", "OPEN")] == [number])
    change = {"version": opened["version"], "title": "Fix it", "description": "Why", "reviewers": opened["reviewers"]}
    updated = b.update_pull_request("SHOP", "web", number, change)
    check("update_pull_request", updated["title"] == "Fix it" and updated["version"] > opened["version"], updated)
    changed = [c["path"]["toString"] for c in b.get_pull_requests_changes("SHOP", "web", number)]
    check("get_pull_requests_changes", sorted(changed) == ["a.txt", "py/new.txt"], changed)
    check("get_pull_requests_commits", len(list(b.get_pull_requests_commits("SHOP", "web", number))) == 2)
    people = [p["user"]["name"] for p in b.get_pull_requests_participants("SHOP", "web", number)]
    check("get_pull_requests_participants", "bob" in people, people)
    mergeable = b.is_pull_request_can_be_merged("SHOP", "web", number)
    check("is_pull_request_can_be_merged", mergeable["canMerge"] and not mergeable["conflicted"], mergeable)
    head = updated["fromRef"]["latestCommit"]
    containing = [p["id"] for p in b.get_pull_requests_contain_commit("SHOP", "web", head)]
    check("get_pull_requests_contain_commit", containing == [number], containing)
    check("get_pull_request_settings", "mergeConfig" in b.get_pull_request_settings("SHOP", "web"))
    return number


def comments(b, number):
    comment = b.add_pull_request_comment("SHOP", "web", number, "Look")
    reply = b.add_pull_request_comment("SHOP", "web", number, "I did", parent_id=comment["id"])
    check("add_pull_request_comment", comment["text"] == "Look" and reply["id"] != comment["id"], reply)
    read = b.get_pull_request_comment("SHOP", "web", number, comment["id"])
    check("get_pull_request_comment", [c["text"] for c in read["comments"]] == ["I did"], read)
    changed = b.update_pull_request_comment("SHOP", "web", number, comment["id"], "Look here", read["version"])
    check("update_pull_request_comment", changed["text"] == "Look here", changed)
    b.delete_pull_request_comment("SHOP", "web", number, reply["id"], reply["version"])
    read = b.get_pull_request_comment("SHOP", "web", number, comment["id"])
    check("delete_pull_request_comment", not read["comments"], read)
    task = b.add_pull_request_blocker_comment("SHOP", "web", number, "Do it", "BLOCKER")
    check("add_pull_request_blocker_comment", task["severity"] == "BLOCKER", task)
    tasks = b.search_pull_request_blocker_comment("SHOP", "web", number)["values"]
    check("search_pull_request_blocker_comment", [t["id"] for t in tasks] == [task["id"]], tasks)
    tasks_url = f"rest/api/1.0/projects/SHOP/repos/web/pull-requests/{number}/blocker-comments/{task['id']}"
    done = b.put(tasks_url, data={"state": "RESOLVED", "version": task["version"]})
    check("resolve a task", done["state"] == "RESOLVED", done)
    told = [a.get("comment", {}).get("text") for a in b.get_pull_requests_activities("SHOP", "web", number)]
    check("get_pull_requests_activities", "Look here" in told, told)


def builds(b, head):
    status = {"state": "SUCCESSFUL", "key": "ci", "url": "https://ci.example/1", "name": "CI"}
    b.post(f"rest/build-status/1.0/commits/{head}", data=status)
    read = b.get_associated_build_statuses(head)
    check("get_associated_build_statuses", [s["key"] for s in read["values"]] == ["ci"], read)
    report = b.create_code_insights_report("SHOP", "web", head, "scan", "Scan", result="FAIL", details="One finding")
    check("create_code_insights_report", report["key"] == "scan", report)
    finding = {"path": "a.txt", "line": 2, "message": "Shouting", "severity": "LOW"}
    b.add_code_insights_annotations_to_report("SHOP", "web", head, "scan", [finding])
    found = b.get(f"rest/insights/1.0/projects/SHOP/repos/web/commits/{head}/reports/scan/annotations")
    check("add_code_insights_annotations_to_report", found["annotations"][0]["message"] == "Shouting", found)
    check("get_code_insights_report", b.get_code_insights_report("SHOP", "web", head, "scan")["result"] == "FAIL")
    b.delete_code_insights_report("SHOP", "web", head, "scan")
    reports = b.get(f"rest/insights/1.0/projects/SHOP/repos/web/commits/{head}/reports")
    check("delete_code_insights_report", reports["values"] == [], reports)


def ends(b, number):
    def version():
        return b.get_pull_request("SHOP", "web", number)["version"]

    declined = b.decline_pull_request("SHOP", "web", number, version())
    check("decline_pull_request", declined["state"] == "DECLINED", declined)
    opened = b.reopen_pull_request("SHOP", "web", number, version())
    check("reopen_pull_request", opened["state"] == "OPEN", opened)
    merged = b.merge_pull_request("SHOP", "web", number, "Merge it", pr_version=version())
    check("merge_pull_request", merged["state"] == "MERGED", merged)
    content = b.get_content_of_file("SHOP", "web", "a.txt", at="refs/heads/master")
    check("get_content_of_file", content == b"one\nTWO\n", content)
    b.create_branch("SHOP", "web", "py/other", "master")
    b.upload_file("SHOP", "web", "x\n", "Other", "py/other", "py/other.txt")
    other = b.open_pull_request("SHOP", "web", "SHOP", "web", "refs/heads/py/other", "refs/heads/master", "T", "D")
    b.delete_pull_request("SHOP", "web", other["id"], other["version"])
    left = [p["id"] for p in b.get_pull_requests("SHOP", "web", "ALL")]
    check("delete_pull_request", other["id"] not in left, left)


if __name__ == "__main__":
    main(*sys.argv[1:])
