"""The kernel under random rows and questions, and against the kubelet twin."""
