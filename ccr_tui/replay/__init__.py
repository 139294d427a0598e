"""What would this session have cost, and answered, with other models or another routing?"""
